"""Progressive profiling: which core traits of a person are known, how, and what to ask next.

Computed from the document on each read, so that a question is not repeated after its answer has arrived.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, TypedDict

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

from cdp.channels import channels_addressed_by
from cdp.people.document import ProfileDocument, Traits

# From tracking, these traits are device settings, not statements by the person.
DEVICE_SOURCES, DEVICE_TRAITS = ("segment",), ("language", "timezone")
UNKNOWN_ZONE = "Etc/Unknown"

# What each trait is needed for, most useful first; an address that opens an unreached channel comes before all others.
ADDRESSES = {trait: channels_addressed_by(trait) for trait in ("email", "phone")}
USES = {
    **{
        trait: f"opens {'a channel' if len(opened) == 1 else 'channels'}: {', '.join(opened)}"
        for trait, opened in ADDRESSES.items()
    },
    "country": "decides which consent rules apply",
    "timezone": "decides when messages may and should arrive",
    "language": "decides the language of messages",
    "first_name": "lets messages greet the person by name",
    "last_name": "distinguishes people with the same address",
    "date_of_birth": "distinguishes people with the same name",
    "postcode": "shows the nearest shop and where to deliver",
    "city": "shows the nearest shop and where to deliver",
    "street": "shows where to deliver",
}


class TraitStatus(TypedDict):
    """status: declared by the person or in one of their records, inferred from something else, or missing.
    inferred_value: set if the golden record itself has no value."""

    trait: str
    status: Literal["declared", "inferred", "missing"]
    inferred_from: str | None
    inferred_value: str | None


class Question(TypedDict):
    """A trait to ask for, and what the answer is used for."""

    trait: str
    reason: str


def trait_status(document: ProfileDocument) -> list[TraitStatus]:
    """How each core trait is known, in the order of the document's traits."""
    return [_status(document, trait) for trait in document["traits"]]


def next_questions(document: ProfileDocument) -> list[Question]:
    """The traits to ask for, most useful first; never declared or inferable ones."""
    missing = {one["trait"] for one in trait_status(document) if one["status"] == "missing"}
    reached = {one["channel"] for one in document["preferences"] if one["reachable"]}
    asked = [trait for trait in USES if trait in missing]
    # The sort is stable: traits that open no new channel stay in the order of USES.
    asked.sort(key=lambda trait: not set(ADDRESSES.get(trait, ())) - reached)
    return [{"trait": trait, "reason": USES[trait]} for trait in asked]


def _status(document: ProfileDocument, trait: str) -> TraitStatus:
    if document["traits"][trait] is not None:
        device = _is_device_setting(document, trait)
        return _trait_status(trait, "inferred" if device else "declared", "the device's settings" if device else None)
    for source, value in _inferences(document["traits"], trait):
        return _trait_status(trait, "inferred", source, value)
    return _trait_status(trait, "missing")


def _trait_status(
    trait: str, status: Literal["declared", "inferred", "missing"], source: str | None = None, value: str | None = None
) -> TraitStatus:
    return {"trait": trait, "status": status, "inferred_from": source, "inferred_value": value}


def _is_device_setting(document: ProfileDocument, trait: str) -> bool:
    """Whether the value was reported by devices only."""
    sources = {
        one["source"]
        for one in document["trait_evidence"]
        if one["trait"] == trait and one["value"] == document["traits"][trait]
    }
    return trait in DEVICE_TRAITS and bool(sources) and sources <= set(DEVICE_SOURCES)


def _inferences(traits: Traits, trait: str) -> Iterator[tuple[str, str]]:
    """(trait it follows from, inferred value)."""
    country, timezone = _of_phone(traits["phone"]) if traits["phone"] else (None, None)
    if trait == "country" and country:
        yield "phone", country
    # The zone of a foreign number says little about a person who lives in another country.
    if trait == "timezone" and timezone and traits["country"] in (None, country):
        yield "phone", timezone


@lru_cache(10_000)
def _of_phone(phone: str) -> tuple[str | None, str | None]:
    """The country of an E.164 number, and its time zone if its area has exactly one."""
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return None, None
    region = phonenumbers.region_code_for_number(number)
    zones = time_zones_for_number(number)
    has_one_zone = len(zones) == 1 and zones[0] != UNKNOWN_ZONE
    return region if region and len(region) == 2 and region.isalpha() else None, zones[0] if has_one_zone else None
