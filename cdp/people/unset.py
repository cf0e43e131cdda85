"""Traits that their source unsets: live, as `traits.sql` does it in a run.

An identify call with null for a trait voids what its source has said of it until then. A trait that is none of ours
goes by the name that its source gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from cdp.people.document import ProfileDocument, TraitEvidence

# When a source last unset a trait, by (source, trait), as documents write times.
Unset = Mapping[tuple[str, str], str]

# The properties of an identify call that speak of a core trait by another name or its own.
UNSET_BY = {
    **{"firstName": "first_name", "first_name": "first_name", "lastName": "last_name", "last_name": "last_name"},
    **{"email": "email", "phone": "phone", "birthday": "date_of_birth", "city": "city", "country": "country"},
}


def unset_in(event_type: str, properties: str | None, source: str) -> str | None:
    """The traits that an event of a source sets to null, as JSON text; nearly none does."""
    if event_type != "identified" or not properties or "null" not in properties:
        return None
    said = json.loads(properties)
    traits = {UNSET_BY.get(name, name) for name, value in said.items() if value is None}
    return json.dumps({"source": source, "traits": sorted(traits)}) if traits else None


def unset_by(statements: Iterable[tuple[str | None, str]]) -> Unset:
    """What events, each as `unset_in` puts it and with its time, have set to null."""
    found: dict[tuple[str, str], str] = {}
    for text, at in statements:
        said: dict[str, Any] = json.loads(text) if text else {"source": "", "traits": []}
        for trait in said["traits"]:
            key = said["source"], trait
            found[key] = max(found.get(key, ""), at)
    return found


def is_unset(evidence: TraitEvidence, unset: Unset) -> bool:
    """Whether a source has unset since what it had said."""
    return evidence["observed_at"] <= unset.get((evidence["source"], evidence["trait"]), "")


def without_unset(document: ProfileDocument, unset: Unset) -> ProfileDocument:
    """The published document where what was unset gives no trait its value."""
    lost = {one["trait"] for one in document["trait_evidence"] if one["is_current"] and is_unset(one, unset)}
    if not lost:
        return document
    left = [one for one in document["trait_evidence"] if one["trait"] in lost and not is_unset(one, unset)]
    # Of those equally new the run takes the first by name.
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
