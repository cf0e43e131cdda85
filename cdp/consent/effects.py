"""How an event or a consent in a log changes the ledger and suppressions: one table for live payloads and for runs.

Lifts: START (or a re-subscription on a text channel) lifts STOP; an arrival, or START in a chat, lifts a hard bounce;
nothing in a log lifts a complaint or an erasure, only a steward can (`cdp consents lift`). Only an explicit statement
grants consent: a purchase, an open or a click does not. A claim, which is what comes by a write key that any visitor
can read, may withdraw consent, but neither suppresses nor lifts anything. Each provider's folder declares the
properties by which its failures indicate a permanent failure, an earlier complaint or an earlier STOP.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cdp.channels import ADDRESS_TYPES, CHATS, KEYWORD_CHANNELS, PERMANENT_BOUNCE_CHANNELS, PLATFORM_ID_TYPES
from cdp.consent.statement import OPT_OUTS, ContactPoint, Lift, Statement, Suppression
from cdp.providers import load_sources
from cdp.sources import FailureWords, Word

Row = Mapping[str, Any]

_FAILURES = ("bounced", "failed", "rejected")
_ARRIVALS = ("delivered", "opened", "clicked", "replied")

# Marks a permanent failure in the logs of any source.
_ANY_LOG = FailureWords(permanent=(("bounce_type", "hard"),))


@dataclass(frozen=True)
class Effect:
    """The effect of events of these types on these channels.

    said: (property, value) pairs, of which the event must have at least one; None if there is no such condition.
    """

    event_types: tuple[str, ...]
    channels: tuple[str, ...] = tuple(ADDRESS_TYPES)
    said: tuple[Word, ...] | None = None
    states: str | None = None
    suppresses: str | None = None
    lifts: str | None = None

    def applies(self, channel: object, properties: Mapping[str, str]) -> bool:
        """Whether an event of its types has this effect; the properties are in lower case."""
        is_said = self.said is None or any(properties.get(name) == word for name, word in self.said)
        return channel in self.channels and is_said


def effect_table(words: FailureWords) -> tuple[Effect, ...]:
    """All effects, with the properties that classify failures."""
    return (
        Effect(("unsubscribed", "complained"), states="withdrawn"),
        Effect(("resubscribed",), states="granted"),
        Effect(("unsubscribed",), KEYWORD_CHANNELS, suppresses="stop"),
        Effect(_FAILURES, KEYWORD_CHANNELS, words.stopped, suppresses="stop"),
        Effect(("resubscribed",), KEYWORD_CHANNELS, lifts="stop"),
        Effect(("complained",), suppresses="complaint"),
        Effect(("rejected",), ("email",), words.complained, suppresses="complaint"),
        Effect(_FAILURES, said=words.permanent, suppresses="hard_bounce"),
        Effect(("bounced",), PERMANENT_BOUNCE_CHANNELS, suppresses="hard_bounce"),
        Effect(_ARRIVALS, lifts="hard_bounce"),
        # In a chat, START comes from the address itself.
        Effect(("resubscribed",), tuple(CHATS), lifts="hard_bounce"),
    )


def _every_word() -> FailureWords:
    """The failure properties of all providers combined, and those of any log."""
    said = [*(one.failures for one in load_sources().values()), _ANY_LOG]
    return FailureWords(
        permanent=tuple(word for words in said for word in words.permanent),
        complained=tuple(word for words in said for word in words.complained),
        stopped=tuple(word for words in said for word in words.stopped),
    )


EFFECTS = effect_table(_every_word())

# The event types that have an effect.
CONSENT_EVENTS = tuple(dict.fromkeys(kind for effect in EFFECTS for kind in effect.event_types))
_BY_EVENT = {kind: tuple(effect for effect in EFFECTS if kind in effect.event_types) for kind in CONSENT_EVENTS}


@dataclass(frozen=True)
class Effects:
    """What to record, suppress and lift, and the contact points concerned."""

    statements: list[Statement]
    suppressions: list[Suppression]
    lifts: list[Lift]
    contact_points: list[ContactPoint]


def effects_of(rows: Iterable[Row]) -> Effects:
    """What the rows state, suppress and lift.

    Args:
        rows: conformed items, or rows of conformed.events and conformed.consents, each with the identifiers of its
            observation. Keys: source, email, phone, device_token, the types of `PLATFORM_IDS`, customer_id (as the
            source writes it), anonymous_id; is_claim, credential (what it was sent with); for an event: event_id,
            channel, event_type, occurred_at, is_machine, message_ref, properties (JSON text); for a consent:
            consent_id, consent_channel, consent_purpose, consent_topic, consent_state, consent_scope, consent_basis,
            consent_method, consent_at.
            Missing keys count as None. For a row without consent_id, the event_type decides what it states.
    """
    found = Effects([], [], [], [])
    for row in rows:
        _collect(row, found)
    return found


def _collect(row: Row, found: Effects) -> None:
    if row.get("is_machine"):
        return
    effects = list(_effects_on(row))
    stated = _stated(row, effects)
    if stated:
        point, statement = stated
        found.contact_points.append(point)
        found.statements.append(statement)
    for effect in effects if not row.get("is_claim") else ():
        _suppress_or_lift(row, effect, found)


def _effects_on(row: Row) -> Iterator[Effect]:
    properties = _properties(row)
    for effect in _BY_EVENT.get(str(row.get("event_type")), ()):
        if effect.applies(row.get("channel"), properties):
            yield effect


def _properties(row: Row) -> dict[str, str]:
    """The properties of a failure, in lower case."""
    found = json.loads(row.get("properties") or "{}") if row.get("event_type") in _FAILURES else {}
    return {name: str(value).lower() for name, value in found.items()} if isinstance(found, dict) else {}


def _stated(row: Row, effects: list[Effect]) -> tuple[ContactPoint, Statement] | None:
    """The statement in the row's consent columns or, if they are empty, the one its event makes."""
    if row.get("consent_id"):
        stated = (row["consent_id"], row["consent_channel"], row["consent_state"], row["consent_at"])
    else:
        states = next((effect.states for effect in effects if effect.states), None)
        stated = (row.get("event_id"), row.get("channel"), states, row.get("occurred_at"))
    entry_id, channel, state, occurred_at = stated
    point = _contact_point(row, str(channel))
    is_beyond_claim = row.get("is_claim") and state not in OPT_OUTS
    if state is None or occurred_at is None or point is None or is_beyond_claim:
        return None
    return point, Statement(
        contact_point_id=point.id,
        contact_point_type=point.type,
        channel=str(channel),
        purpose=row.get("consent_purpose") or "marketing",
        topic=_text(row.get("consent_topic")),
        state=state,
        scope=row.get("consent_scope") or "channel",
        basis=_text(row.get("consent_basis")),
        occurred_at=occurred_at,
        source=row["source"],
        actor=row["source"],
        evidence=_evidence(row),
        entry_id=entry_id,
    )


def _evidence(row: Row) -> dict[str, str]:
    names = {"method": "consent_method", "event_id": "event_id", "message_id": "message_ref"}
    names["credential"] = "credential"
    given = {name: _text(row.get(key)) for name, key in names.items()}
    return {name: value for name, value in given.items() if value}


def _suppress_or_lift(row: Row, effect: Effect, found: Effects) -> None:
    address = _address(row, str(row["channel"]))
    # Unsubscribing from a single topic is not a STOP.
    if address is None or (row.get("consent_scope") == "topic" and "stop" in (effect.suppresses, effect.lifts)):
        return
    point, channel, source, at = address.id, row["channel"], row["source"], row["occurred_at"]
    if effect.suppresses:
        found.contact_points.append(address)
        found.suppressions.append(
            Suppression(point, channel, effect.suppresses, source, at, entry_id=row.get("event_id"))
        )
    if effect.lifts:
        found.lifts.append(Lift(point, channel, effect.lifts, source, at))


def _address(row: Row, channel: str) -> ContactPoint | None:
    kind = ADDRESS_TYPES.get(channel)
    return ContactPoint(kind, row[kind]) if kind and row.get(kind) else None


def _contact_point(row: Row, channel: str) -> ContactPoint | None:
    """The address on the channel, or else the strongest other identifier."""
    customer = f"{row['source']}:{row['customer_id']}" if row.get("customer_id") else None
    kinds = ("email", "phone", *PLATFORM_ID_TYPES, "device_token")
    others = {"customer_id": customer} | {kind: row.get(kind) for kind in kinds}
    others["anonymous_id"] = row.get("anonymous_id")
    named = (ContactPoint(kind, value) for kind, value in others.items() if value)
    return _address(row, channel) or next(named, None)


def _text(value: Any) -> str | None:
    """The value as text without NUL, which PostgreSQL rejects."""
    return str(value).replace("\0", "") if value is not None else None
