"""A person as of now: the published document plus the live layer since the last run. A pure function of the two.

A person unknown to the last run is shown entirely from the live layer; for a known person, new data is added. The next
run, which sees all the evidence, supersedes the live layer. Profile reads and decisions both use `current`, so they
always agree.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

from cdp.channels import ADDRESS_TYPES, MESSAGE_CHANNELS, channels_opened_by
from cdp.fields import CORE_TRAITS, IDENTIFIER_TYPES
from cdp.people.document import (
    Identity,
    KnownIdentifier,
    Preference,
    ProfileDocument,
    RecentMessage,
    TraitEvidence,
    Traits,
    blank_document,
    blank_preference,
)
from cdp.people.interests import NO_PRODUCTS, ProductLine, with_told
from cdp.people.unset import is_trusted, marked, unset_by, without_unset

Description = dict[str, Any]
Described = Sequence[tuple["LiveMember", Description]]

# How the description of an observation ends that only claims have told.
CLAIM_SUFFIX = ',"is_claim":true}'
RECEIVED = frozenset(("delivered", "opened", "clicked"))
ANSWERED = frozenset(("clicked", "replied"))
_ARRIVED = RECEIVED | {"replied"}


@dataclass(frozen=True)
class LiveMember:
    """An observation that was told since the last run, for the first time or again.

    description: its normalised description of the person, as JSON text. inbox_seq: the number of the last payload.
    """

    observation_id: str
    profile_id: str
    description: str
    first_seen_at: datetime
    inbox_seq: int
    last_seen_at: datetime | None = None

    @property
    def told_at(self) -> datetime:
        """When it was told last."""
        return self.last_seen_at or self.first_seen_at


@dataclass(frozen=True)
class LiveIdentifier:
    """An identifier of a person, seen since the last run. is_claim: only claims have told it."""

    type: str
    value: str
    profile_id: str
    inbox_seq: int
    is_claim: bool = False


@dataclass(frozen=True)
class LiveEvent:
    """An event of a person since the last run.

    unset_traits: the traits it unsets, see `cdp/people/unset.py`. products: those it is about, as JSON text: a list of
    `ToldProduct`.
    """

    event_id: str
    profile_id: str
    channel: str
    event_type: str
    message_ref: str | None
    occurred_at: datetime
    is_machine: bool
    inbox_seq: int
    unset_traits: str | None = None
    products: str | None = None


@dataclass(frozen=True)
class LiveLayer:
    """The live data about one person since the last run.

    members, identifiers: in order of arrival. events: in order of occurrence.
    """

    members: Sequence[LiveMember] = ()
    identifiers: Sequence[LiveIdentifier] = ()
    events: Sequence[LiveEvent] = ()

    @property
    def times(self) -> Iterator[datetime]:
        yield from (member.first_seen_at for member in self.members)
        yield from (member.told_at for member in self.members)
        yield from (event.occurred_at for event in self.events)

    @property
    def human_events(self) -> Sequence[LiveEvent]:
        """Events that were not caused by machines."""
        return [event for event in self.events if not event.is_machine]

    @property
    def products(self) -> Sequence[ProductLine]:
        """The products that these are about."""
        return [
            ProductLine(event.event_type, iso(event.occurred_at), product)
            for event in self.human_events
            if event.products
            for product in json.loads(event.products)
        ]


NOTHING_LIVE = LiveLayer()


def live_only_document(profile_id: str, live: LiveLayer) -> ProfileDocument:
    """The document of a person unknown to the last run, in the shape of a published one; `live` must have a member."""
    return current(blank_document(profile_id, iso(min(live.times))), live)


def current(document: ProfileDocument, live: LiveLayer) -> ProfileDocument:
    """The published document with the live layer applied.

    A trait's published value stays unless its source unsets it; then the newest remaining value is shown, or none.
    """
    if live is NOTHING_LIVE:
        return document
    unset = unset_by((event.unset_traits, iso(event.occurred_at)) for event in live.events)
    document = without_unset(document, unset)
    described = [(member, json.loads(member.description)) for member in live.members]
    identifiers = [*_told_again(document, described), *_fresh_identifiers(document, live, described)]
    evidence = marked(_evidence(described), unset)
    valid = [one for one in evidence if not one.get("is_unset")]
    traits = _traits(document["traits"], valid, {(held["type"], held["value"]) for held in identifiers})
    return {
        **document,
        "traits": traits,
        "trait_evidence": [*document["trait_evidence"], *_with_shown(evidence, document["traits"], traits)],
        "identity": _identity(document, described),
        "last_seen_at": max([document["last_seen_at"], *map(iso, live.times)]),
        "identifiers": identifiers,
        "metrics": _metrics(document["metrics"], live.human_events),
        "preferences": _preferences(document, identifiers, live.human_events),
        "products": with_told(document.get("products", NO_PRODUCTS), live.products),
    }


def iso(at: datetime) -> str:
    """A time in the format of documents."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told_again(document: ProfileDocument, described: Described) -> Iterator[KnownIdentifier]:
    """The published identifiers; those that only claims had told may have been told by others since."""
    told = [description for _, description in described if not description.get("is_claim")]
    for held in document["identifiers"]:
        is_claim = held.get("is_claim", False)
        yield (
            {**held, "is_claim": False}
            if is_claim and any(_holds(one, held["type"], held["value"]) for one in told)
            else held
        )


def _fresh_identifiers(document: ProfileDocument, live: LiveLayer, described: Described) -> Iterator[KnownIdentifier]:
    """Live identifiers that the document lacks. They count as unique: no evidence against them is known yet."""
    known = {(held["type"], held["value"]) for held in document["identifiers"]}
    for held in live.identifiers:
        if (held.type, held.value) not in known:
            carriers = [
                (member, description) for member, description in described if _holds(description, held.type, held.value)
            ]
            seen_at = min((iso(member.first_seen_at) for member, _ in carriers), default=document["last_seen_at"])
            yield KnownIdentifier(
                type=held.type,
                value=held.value,
                quality="unique",
                is_claim=held.is_claim,
                sources=sorted({description["source"] for _, description in carriers}),
                first_seen_at=seen_at,
                last_seen_at=seen_at,
            )


def _holds(description: Description, kind: str, value: str) -> bool:
    prefix = f"{description['source']}:" if kind == "customer_id" else ""
    return description.get(kind) == value.removeprefix(prefix)


def _evidence(described: Described) -> Iterator[TraitEvidence]:
    for member, description in described:
        for trait in CORE_TRAITS:
            if description.get(trait) is not None:
                yield TraitEvidence(
                    trait=trait,
                    value=description[trait],
                    is_current=False,
                    source=description["source"],
                    observed_at=iso(member.told_at),
                    is_claim=description.get("is_claim", False),
                    is_unset=False,
                    file=f"inbox:{description['source']}",
                    line_number=member.inbox_seq,
                )


def _traits(published: Traits, evidence: Iterable[TraitEvidence], usable: set[tuple[str, str]]) -> Traits:
    """The published values, or else the latest live ones. Addresses must be among the identifiers.

    What write keys claim is shown only where nobody else has told anything.
    """
    live = {
        one["trait"]: one["value"]
        for one in sorted(evidence, key=is_trusted)
        if one["trait"] not in IDENTIFIER_TYPES or (one["trait"], one["value"]) in usable
    }
    return {trait: value if value is not None else live.get(trait) for trait, value in published.items()}


def _with_shown(evidence: Iterable[TraitEvidence], published: Traits, traits: Traits) -> Iterator[TraitEvidence]:
    """The evidence; for each trait, the last piece that supports the shown value is marked as current."""
    last = {(one["trait"], one["value"]): one for one in evidence if not one.get("is_unset")}
    for one in evidence:
        is_shown = published[one["trait"]] is None and traits[one["trait"]] == one["value"]
        yield {**one, "is_current": is_shown and last.get((one["trait"], one["value"])) is one}


def _identity(document: ProfileDocument, described: Described) -> Identity:
    identity = document["identity"]
    members = sorted({*identity["members"], *(member.observation_id for member, _ in described)})
    sources = {source for held in document["identifiers"] for source in held["sources"]}
    source_count = len(sources | {description["source"] for _, description in described})
    return {
        **identity,
        "members": members,
        "observation_count": len(members),
        "source_count": max(source_count, identity["source_count"]),
    }


def _metrics(published: dict[str, Any], events: Sequence[LiveEvent]) -> dict[str, Any]:
    """Total counts, increased by live events; each outcome of a message counts once. Windows, scores and the lifecycle
    stage stay those of the run."""
    counts = {f"{channel}_{outcome}_count": len(messages) for (channel, outcome), messages in _outcomes(events).items()}
    added = {name: published[name] + count for name, count in counts.items() if name in published}
    times = [_metric_time(event.occurred_at) for event in events]
    return (
        published
        | added
        | {
            "event_count": published["event_count"] + len(events),
            "first_event_at": min(filter(None, (published["first_event_at"], *times)), default=None),
            "last_event_at": max(filter(None, (published["last_event_at"], *times)), default=None),
        }
    )


def _metric_time(at: datetime) -> str:
    """A time in the format in which DuckDB writes metrics as JSON."""
    text = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{text.rstrip('0').rstrip('.')}+00"


def _outcomes(events: Iterable[LiveEvent]) -> dict[tuple[str, str], set[str]]:
    """The messages by (channel, outcome)."""
    found: dict[tuple[str, str], set[str]] = {}
    for event in events:
        outcome = "unsubscribed" if event.event_type == "complained" else event.event_type
        found.setdefault((event.channel, outcome), set()).add(message_id(event))
    return found


def _preferences(
    document: ProfileDocument, identifiers: Iterable[KnownIdentifier], events: Sequence[LiveEvent]
) -> list[Preference]:
    """The channel preferences, with live messages added.

    The score stays that of the run: weighing later messages requires the policy, and is part of a decision.
    """
    preferences = {one["channel"]: one for one in document["preferences"]}
    held_types = {held["type"] for held in identifiers}
    opened = {channel for kind in held_types for channel in channels_opened_by(kind)}
    met = {event.channel for event in events if event.channel in MESSAGE_CHANNELS}
    for channel in sorted((opened | met) - preferences.keys()):
        preferences[channel] = blank_preference(channel, reachable=ADDRESS_TYPES[channel] in held_types)
    known = document.get("recent_messages", [])
    return [_with_messages(one, events, known) for one in preferences.values()]


def _with_messages(preference: Preference, events: Iterable[LiveEvent], known: Sequence[RecentMessage]) -> Preference:
    mine = [event for event in events if event.channel == preference["channel"]]
    received = _messages(mine, RECEIVED) - {one["message_id"] for one in known if one["is_received"]}
    answered = _messages(mine, ANSWERED) - {one["message_id"] for one in known if one["is_answered"]}
    counted: Preference = {
        **preference,
        "received_count": preference["received_count"] + len(received),
        "response_count": preference["response_count"] + len(answered),
    }
    if preference["reachable"] and _still_reachable(mine):
        return counted
    return {**counted, "reachable": False, "score": None, "low": None, "high": None}


def _messages(events: Iterable[LiveEvent], kinds: Collection[str]) -> set[str]:
    return {message_id(event) for event in events if event.event_type in kinds}


def message_id(event: LiveEvent) -> str:
    """The id of an event's message in documents: a hash, because a provider's own reference may contain an address."""
    return f"msg_{md5((event.message_ref or event.event_id).encode()).hexdigest()}"


def _still_reachable(events: Iterable[LiveEvent]) -> bool:
    """Whether no live opt-out or bounce is the latest word; at the same time, the negative event counts. A bounce
    counts as permanent until the next run evaluates its reason."""
    opted_out, returned = _latest(events, ("unsubscribed", "complained")), _latest(events, ("resubscribed",))
    bounced, arrived = _latest(events, ("bounced",)), _latest(events, _ARRIVED)
    return not (opted_out and (returned is None or returned <= opted_out)) and not (
        bounced and (arrived is None or arrived <= bounced)
    )


def _latest(events: Iterable[LiveEvent], kinds: Collection[str]) -> datetime | None:
    return max((event.occurred_at for event in events if event.event_type in kinds), default=None)
