"""Progressive profiling: which core traits of a person are known, how, and what to ask next.

Computed from a profile's document when it is read, so that an answer that came in a second ago is asked no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, TypedDict

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

from cdp.channels import channels_addressed_by
from cdp.people.document import ProfileDocument, Traits

# What tracking says of these is the device's setting, not the person's word.
DEVICE_SOURCES, DEVICE_TRAITS = ("segment",), ("language", "timezone")
UNKNOWN_ZONE = "Etc/Unknown"

# What a missing trait keeps from working, the most useful first; a channel that nobody is reached on comes before all.
ADDRESSES = {trait: channels_addressed_by(trait) for trait in ("email", "phone")}
USES = {
    **{
        trait: f"opens {'a channel' if len(opened) == 1 else 'channels'}: {', '.join(opened)}"
        for trait, opened in ADDRESSES.items()
    },
    "country": "decides which rules of consent hold",
    "timezone": "decides when messages may and should arrive",
    "language": "decides which language to write",
    "first_name": "lets a message greet the person",
    "last_name": "tells people of one address apart",
    "date_of_birth": "tells people of one name apart",
    "postcode": "says which shop is near, and where to deliver",
    "city": "says which shop is near, and where to deliver",
    "street": "says where to deliver",
}


class TraitStatus(TypedDict):
    """status: declared by the person or a record of theirs, inferred from something else, or missing. `value` and what
    it was inferred `from` are given where the golden record itself has no value."""

    trait: str
    status: Literal["declared", "inferred", "missing"]
    inferred_from: str | None
    inferred_value: str | None


class Question(TypedDict):
    """A trait to ask for, and what the answer is good for."""

    trait: str
    reason: str


def trait_status(document: ProfileDocument) -> list[TraitStatus]:
    """How each core trait is known, in the order of the document's traits."""
    return [_status(document, trait) for trait in document["traits"]]


def next_questions(document: ProfileDocument) -> list[Question]:
    """What to ask, most useful first; never what is declared or can be inferred."""
    missing = {one["trait"] for one in trait_status(document) if one["status"] == "missing"}
    reached = {one["channel"] for one in document["preferences"] if one["reachable"]}
    asked = [trait for trait in USES if trait in missing]
    # The stable sort keeps the order of USES among those that open nothing new.
    asked.sort(key=lambda trait: not set(ADDRESSES.get(trait, ())) - reached)
    return [{"trait": trait, "reason": USES[trait]} for trait in asked]


def _status(document: ProfileDocument, trait: str) -> TraitStatus:
    if document["traits"][trait] is not None:
        device = _is_of_device(document, trait)
        return _told(trait, "inferred" if device else "declared", "the device's settings" if device else None)
    for source, value in _inferences(document["traits"], trait):
        return _told(trait, "inferred", source, value)
    return _told(trait, "missing")


def _told(
    trait: str, status: Literal["declared", "inferred", "missing"], source: str | None = None, value: str | None = None
) -> TraitStatus:
    return {"trait": trait, "status": status, "inferred_from": source, "inferred_value": value}


def _is_of_device(document: ProfileDocument, trait: str) -> bool:
    """Whether nobody but devices said so."""
    sources = {
        one["source"]
        for one in document["trait_evidence"]
        if one["trait"] == trait and one["value"] == document["traits"][trait]
    }
    return trait in DEVICE_TRAITS and bool(sources) and sources <= set(DEVICE_SOURCES)


def _inferences(traits: Traits, trait: str) -> Iterator[tuple[str, str]]:
    """What the value must be: (the trait that says so, the value)."""
    country, timezone = _of_phone(traits["phone"]) if traits["phone"] else (None, None)
    if trait == "country" and country:
        yield "phone", country
    # A number that moved with its owner says little about the zone of an address elsewhere.
    if trait == "timezone" and timezone and traits["country"] in (None, country):
        yield "phone", timezone


@lru_cache(10_000)
def _of_phone(phone: str) -> tuple[str | None, str | None]:
    """The country of an E.164 number, and its time zone where its area has one only."""
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return None, None
    region = phonenumbers.region_code_for_number(number)
    zones = time_zones_for_number(number)
    is_told = len(zones) == 1 and zones[0] != UNKNOWN_ZONE
    return region if region and len(region) == 2 and region.isalpha() else None, zones[0] if is_told else None
