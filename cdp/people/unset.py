"""Traits unset by their source: the live counterpart of `traits.sql` in a run.

An identify call that sets a trait to null discards the earlier values from that source. Custom traits keep the name
that the source gives them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from cdp.people.document import ProfileDocument, TraitEvidence

# When a source last unset a trait, by (source, trait), as documents write times.
Unset = Mapping[tuple[str, str], str]

# The properties of an identify call that correspond to core traits.
UNSET_BY = {
    **{"firstName": "first_name", "first_name": "first_name", "lastName": "last_name", "last_name": "last_name"},
    **{"email": "email", "phone": "phone", "birthday": "date_of_birth", "city": "city", "country": "country"},
}


def unset_in(event_type: str, properties: str | None, source: str) -> str | None:
    """The traits that an event sets to null, as JSON text; rare."""
    if event_type != "identified" or not properties or "null" not in properties:
        return None
    given = json.loads(properties)
    traits = {UNSET_BY.get(name, name) for name, value in given.items() if value is None}
    return json.dumps({"source": source, "traits": sorted(traits)}) if traits else None


def unset_by(statements: Iterable[tuple[str | None, str]]) -> Unset:
    """The traits that events have unset, and when. `statements`: results of `unset_in` with their times."""
    found: dict[tuple[str, str], str] = {}
    for text, at in statements:
        statement: dict[str, Any] = json.loads(text) if text else {"source": "", "traits": []}
        for trait in statement["traits"]:
            key = statement["source"], trait
            found[key] = max(found.get(key, ""), at)
    return found


def is_unset(evidence: TraitEvidence, unset: Unset) -> bool:
    """Whether the source of the evidence has since unset the trait."""
    return evidence["observed_at"] <= unset.get((evidence["source"], evidence["trait"]), "")


def without_unset(document: ProfileDocument, unset: Unset) -> ProfileDocument:
    """The published document without values that their source has unset."""
    lost = {one["trait"] for one in document["trait_evidence"] if one["is_current"] and is_unset(one, unset)}
    if not lost:
        return document
    left = [one for one in document["trait_evidence"] if one["trait"] in lost and not is_unset(one, unset)]
    # Of equally recent values, the run takes the first by source and value.
    left.sort(key=itemgetter("source", "value"))
    next_best = {
        trait: max((one for one in left if one["trait"] == trait), key=itemgetter("observed_at"), default=None)
        for trait in lost
    }
    evidence: list[TraitEvidence] = [
        {**one, "is_current": one is next_best[one["trait"]]} if one["trait"] in lost else one
        for one in document["trait_evidence"]
    ]
    values = {trait: one["value"] if one else None for trait, one in next_best.items()}
    core = {trait: value for trait, value in values.items() if trait in document["traits"]}
    custom = {trait: values.get(trait, value) for trait, value in document.get("custom_traits", {}).items()}
    return {
        **document,
        "traits": document["traits"] | core,
        "custom_traits": {trait: value for trait, value in custom.items() if value is not None},
        "trait_evidence": evidence,
    }
