"""A person as of now: the published document with what has come in live since the last run. A pure function of the two.

Somebody whom no run has seen is shown in full from what came in live; of somebody known, what is new is added. The next
run, which sees all the evidence, says it all itself. Profile reads and decisions both read `current`, so that they
agree at any time.
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
from cdp.people.unset import is_unset, unset_by, without_unset

Description = dict[str, Any]
Described = Sequence[tuple["LiveMember", Description]]

RECEIVED = frozenset(("delivered", "opened", "clicked"))
ANSWERED = frozenset(("clicked", "replied"))
_ARRIVED = RECEIVED | {"replied"}


@dataclass(frozen=True)
class LiveMember:
    """An observation that no run has seen; `description` is what it says of the person, clean, as JSON text."""

    observation_id: str
    profile_id: str
    description: str
    first_seen_at: datetime
    inbox_seq: int


@dataclass(frozen=True)
class LiveIdentifier:
    """An identifier with which a person was met since the last run."""

    type: str
    value: str
    profile_id: str
    inbox_seq: int


@dataclass(frozen=True)
class LiveEvent:
    """Something that happened to a person since the last run; `taken_back` is as of `cdp/people/unset.py`."""

    event_id: str
    profile_id: str
    channel: str
    event_type: str
    message_ref: str | None
    occurred_at: datetime
    is_machine: bool
    inbox_seq: int
    taken_back: str | None = None


@dataclass(frozen=True)
class LiveLayer:
    """What has come in of one person since the last run.

    members, identifiers: in the order in which they came. events: in the order in which they happened.
    """

    members: Sequence[LiveMember] = ()
    identifiers: Sequence[LiveIdentifier] = ()
    events: Sequence[LiveEvent] = ()

    @property
    def times(self) -> Iterator[datetime]:
        yield from (member.first_seen_at for member in self.members)
        yield from (event.occurred_at for event in self.events)

    @property
    def human_events(self) -> Sequence[LiveEvent]:
        """Events without those that machines have made."""
        return [event for event in self.events if not event.is_machine]


NOTHING_LIVE = LiveLayer()


def first_met(profile_id: str, live: LiveLayer) -> ProfileDocument:
    """The document of somebody whom no run has seen, of the shape that a run publishes; `live` has a member."""
    return current(blank_document(profile_id, iso(min(live.times))), live)


def current(document: ProfileDocument, live: LiveLayer) -> ProfileDocument:
    """The published document with what is new.

    Where a run has given a trait a value, that stays, unless its source unsets it: then the newest value that is left
    is shown, or none.
    """
    if live is NOTHING_LIVE:
        return document
    unset = unset_by((event.taken_back, iso(event.occurred_at)) for event in live.events)
    document = without_unset(document, unset)
    described = [(member, json.loads(member.description)) for member in live.members]
    identifiers = [*document["identifiers"], *_fresh_identifiers(document, live, described)]
    evidence = [one for one in _evidence(described) if not is_unset(one, unset)]
    traits = _traits(document["traits"], evidence, {(held["type"], held["value"]) for held in identifiers})
    return {
        **document,
        "traits": traits,
        "trait_evidence": [*document["trait_evidence"], *_with_shown(evidence, document["traits"], traits)],
        "identity": _identity(document, described),
        "last_seen_at": max([document["last_seen_at"], *map(iso, live.times)]),
        "identifiers": identifiers,
        "metrics": _metrics(document["metrics"], live.human_events),
        "preferences": _preferences(document, identifiers, live.human_events),
    }


def iso(at: datetime) -> str:
    """A time as documents write it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fresh_identifiers(document: ProfileDocument, live: LiveLayer, described: Described) -> Iterator[KnownIdentifier]:
    """Identifiers that the document lacks, as it lists them; nothing speaks against them yet."""
    known = {(held["type"], held["value"]) for held in document["identifiers"]}
    for held in live.identifiers:
        if (held.type, held.value) not in known:
            sayers = [(member, said) for member, said in described if _says(said, held)]
            seen_at = min((iso(member.first_seen_at) for member, _ in sayers), default=document["last_seen_at"])
            yield KnownIdentifier(
                type=held.type,
                value=held.value,
                quality="unique",
                sources=sorted({said["source"] for _, said in sayers}),
                first_seen_at=seen_at,
                last_seen_at=seen_at,
            )


def _says(said: Description, held: LiveIdentifier) -> bool:
    is_customer = held.type == "customer_id"
    return said.get(held.type) == (held.value.removeprefix(f"{said['source']}:") if is_customer else held.value)


def _evidence(described: Described) -> Iterator[TraitEvidence]:
    for member, said in described:
        for trait in CORE_TRAITS:
            if said.get(trait) is not None:
                yield TraitEvidence(
                    trait=trait,
                    value=said[trait],
                    is_current=False,
                    source=said["source"],
                    observed_at=iso(member.first_seen_at),
                    file=f"inbox:{said['source']}",
                    line_number=member.inbox_seq,
                )


def _traits(published: Traits, evidence: Iterable[TraitEvidence], usable: set[tuple[str, str]]) -> Traits:
    """The published values, and the latest live ones where there is none. An address must be one of the identifiers."""
    live = {
        one["trait"]: one["value"]
        for one in evidence
        if one["trait"] not in IDENTIFIER_TYPES or (one["trait"], one["value"]) in usable
    }
    return {trait: value if value is not None else live.get(trait) for trait, value in published.items()}


def _with_shown(evidence: Iterable[TraitEvidence], published: Traits, traits: Traits) -> Iterator[TraitEvidence]:
    """The evidence; of each trait, the last statement that gave it its value is marked as current."""
    last = {(one["trait"], one["value"]): one for one in evidence}
    for one in evidence:
        is_shown = published[one["trait"]] is None and traits[one["trait"]] == one["value"]
        yield {**one, "is_current": is_shown and last[one["trait"], one["value"]] is one}


def _identity(document: ProfileDocument, described: Described) -> Identity:
    identity = document["identity"]
    members = sorted({*identity["members"], *(member.observation_id for member, _ in described)})
    sources = {source for held in document["identifiers"] for source in held["sources"]}
    source_count = len(sources | {said["source"] for _, said in described})
    return {
        **identity,
        "members": members,
        "observation_count": len(members),
        "source_count": max(source_count, identity["source_count"]),
    }


def _metrics(published: dict[str, Any], events: Sequence[LiveEvent]) -> dict[str, Any]:
    """Counts with what was reported since: of a message, each thing that became of it once. Windows, scores and the
    lifecycle stay those of the run."""
    counts = {f"{channel}_{what}_count": len(messages) for (channel, what), messages in _reported(events).items()}
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
    """A time as DuckDB writes it in the JSON of a metric."""
    text = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{text.rstrip('0').rstrip('.')}+00"


def _reported(events: Iterable[LiveEvent]) -> dict[tuple[str, str], set[str]]:
    """The messages by channel and by what became of them."""
    found: dict[tuple[str, str], set[str]] = {}
    for event in events:
        what = "unsubscribed" if event.event_type == "complained" else event.event_type
        found.setdefault((event.channel, what), set()).add(message_id(event))
    return found


def _preferences(
    document: ProfileDocument, identifiers: Iterable[KnownIdentifier], events: Sequence[LiveEvent]
) -> list[Preference]:
    """Channel by channel, with what live messages add.

    The score is the run's: to weigh what has come in since takes the policy, and is done where a decision is asked for.
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
    """How documents name the message that an event belongs to: a provider's own reference may hold an address."""
    return f"msg_{md5((event.message_ref or event.event_id).encode()).hexdigest()}"


def _still_reachable(events: Iterable[LiveEvent]) -> bool:
    """Whether nothing that came in says otherwise; of two things at one time the worse counts. A bounce
    counts as one for good until the next run looks at its reason."""
    left, returned = _latest(events, ("unsubscribed", "complained")), _latest(events, ("resubscribed",))
    bounced, arrived = _latest(events, ("bounced",)), _latest(events, _ARRIVED)
    return not (left and (returned is None or returned <= left)) and not (
        bounced and (arrived is None or arrived <= bounced)
    )


def _latest(events: Iterable[LiveEvent], kinds: Collection[str]) -> datetime | None:
    return max((event.occurred_at for event in events if event.event_type in kinds), default=None)
