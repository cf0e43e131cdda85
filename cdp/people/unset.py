"""Traits unset by their source: the live counterpart of `traits.sql` in a run.

An identify call that sets a trait to null discards the earlier values from that source; one that came by a write key
discards only what came by write keys. Core traits have their own name here, whatever the source calls them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import product
from operator import itemgetter
from typing import Any

from cdp.channels import ADDRESS_TYPES
from cdp.fields import CORE_TRAITS
from cdp.people.document import ProfileDocument, TraitEvidence

# When a source last unset what it had told of a trait, by (source, trait, whether that was a claim), as documents write
# times.
Unset = Mapping[tuple[str, str, bool], str]


def unset_in(properties: str | None, source: str, *, is_claim: bool) -> str | None:
    """The traits that an identify call sets to null, as JSON text; rare."""
    if not properties or "null" not in properties:
        return None
    given = json.loads(properties)
    traits = {name for name, value in given.items() if value is None}
    return json.dumps({"source": source, "traits": sorted(traits), "is_claim": is_claim}) if traits else None


def unset_by(statements: Iterable[tuple[str | None, str]]) -> Unset:
    """The traits that events have unset, and when. `statements`: results of `unset_in` with their times."""
    found: dict[tuple[str, str, bool], str] = {}
    for text, at in statements:
        statement: dict[str, Any] = json.loads(text) if text else {"source": "", "traits": []}
        concerned = (True,) if statement.get("is_claim") else (True, False)
        for key in product([statement["source"]], statement["traits"], concerned):
            found[key] = max(found.get(key, ""), at)
    return found


def marked(evidence: Iterable[TraitEvidence], unset: Unset) -> list[TraitEvidence]:
    """The evidence, marked as unset where its source has since unset the trait."""
    return [one | {"is_unset": True, "is_current": False} if _is_unset(one, unset) else one for one in evidence]


def _is_unset(evidence: TraitEvidence, unset: Unset) -> bool:
    key = evidence["source"], evidence["trait"], evidence.get("is_claim", False)
    return evidence.get("is_unset", False) or evidence["observed_at"] <= unset.get(key, "")


def unset_values(document: ProfileDocument) -> set[tuple[str, str]]:
    """The values, as (trait, value), that each source that gave them has unset: nobody is written to at these."""
    is_given = {True: set[tuple[str, str]](), False: set[tuple[str, str]]()}
    for one in document["trait_evidence"]:
        is_given[not one.get("is_unset", False)].add((one["trait"], one["value"]))
    return is_given[False] - is_given[True]


def _worth(evidence: TraitEvidence) -> tuple[bool, str]:
    return is_trusted(evidence), evidence["observed_at"]


def is_trusted(evidence: TraitEvidence) -> bool:
    """False for what only write keys have told of a core trait: anything else stands before it."""
    return evidence["trait"] not in CORE_TRAITS or not evidence.get("is_claim")


def claimed_values(document: ProfileDocument) -> set[tuple[str, str]]:
    """The addresses, as (type, value), that only write keys have told, where others have told one of that type: nobody
    is written to at these.
    """
    told: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for one in document["identifiers"]:
        if one["type"] in _ADDRESSES:
            told[one.get("is_claim", False)].add((one["type"], one["value"]))
    others = {kind for kind, _ in told[False]}
    return {(kind, value) for kind, value in told[True] if kind in others}


_ADDRESSES = frozenset(ADDRESS_TYPES.values())


def is_claimed(document: ProfileDocument, trait: str) -> bool:
    """Whether only write keys have told what is shown of the trait."""
    shown = [one for one in document["trait_evidence"] if one["trait"] == trait and one["is_current"]]
    return bool(shown) and all(one.get("is_claim", False) for one in shown)


def without_unset(document: ProfileDocument, unset: Unset) -> ProfileDocument:
    """The published document without values that their source has unset."""
    if not unset:
        return document
    lost = {one["trait"] for one in document["trait_evidence"] if one["is_current"] and _is_unset(one, unset)}
    known = marked(document["trait_evidence"], unset)
    left = [one for one in known if one["trait"] in lost and not one.get("is_unset")]
    # Of equally recent values, the run takes the first by source and value.
    left.sort(key=itemgetter("source", "value"))
    next_best = {trait: max((one for one in left if one["trait"] == trait), key=_worth, default=None) for trait in lost}
    evidence: list[TraitEvidence] = [
        one | {"is_current": one is next_best[one["trait"]]} if one["trait"] in lost else one for one in known
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
