"""The facts behind decisions, gathered for many questions at once with a fixed number of queries.

Sent messages and their outcomes come from three places: the published document has those of the week before its run,
the live layer has those reported since, and the log of decisions has messages that are on their way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import NamedTuple

import phonenumbers
import sqlalchemy as sa

from cdp.channels import ADDRESS_TYPES, MESSAGE_CHANNELS
from cdp.consent import Entry, Suppression, contact_point_id
from cdp.consent.ledger import plain_entries_of, suppressions_of
from cdp.decision import Address, Claim, Facts, History, Planned, Question, Response, Sent
from cdp.decision.caps import WEEK
from cdp.decision.claims import claims_of
from cdp.decision.tables import decisions, holdouts
from cdp.people.chats import chats_open_until
from cdp.people.current import RECEIVED, LiveEvent, message_id
from cdp.people.document import Preference, RecentMessage
from cdp.people.identifiers import Identifier
from cdp.people.lookup import resolve
from cdp.people.reading import Person, read_people
from cdp.people.unset import claimed_values, is_claimed, unset_values
from cdp.runs.ledger import last_published_run
from cdp.store.prepared import Prepared, among

# Identifiers of a single person or household; others do not identify anyone.
_GOOD = ("unique", "shared")
_SENT = frozenset(("sent", "delivered"))
_ADDRESSES = frozenset(ADDRESS_TYPES.values())


@dataclass(frozen=True)
class Asked:
    """A question by `client_id` about a person: a profile id, or normalised identifiers as (type, value).

    message_id: the message that is sent if the answer allows it; offers are claimed in its name.
    """

    question: Question
    profile_id: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    client_id: str = ""
    message_id: str | None = None


class _Point(NamedTuple):
    contact_point_id: str
    type: str
    value: str


class _Ledgers(NamedTuple):
    """Ledger entries and suppressions by contact point id."""

    entries: dict[str, list[Entry]]
    suppressions: dict[str, list[Suppression]]


class _Message(NamedTuple):
    """A message in the live layer: the types of its events and their times, oldest first."""

    channel: str
    message_id: str
    kinds: Sequence[str]
    times: Sequence[datetime]


class Subject(NamedTuple):
    """The profile id that a question is about, and the person, if known."""

    asked_id: str | None
    person: Person | None


def subjects_of(connection: sa.Connection, asked: Sequence[Asked]) -> list[Subject]:
    """The person each question is about, in order."""
    resolved = resolve(connection, [one.identifiers for one in asked])
    ids = [one.profile_id or found for one, found in zip(asked, resolved, strict=True)]
    people = read_people(connection, {one for one in ids if one})
    return [Subject(one, people.get(one) if one else None) for one in ids]


def gather(connection: sa.Connection, subjects: Sequence[Subject], now: datetime) -> list[Facts]:
    """The facts about each subject, in order, as of `now` (UTC)."""
    by_id = _facts_by_profile(connection, {one.person.profile_id: one.person for one in subjects if one.person}, now)
    return [_facts_for(one, by_id) for one in subjects]


def _facts_for(subject: Subject, by_id: Mapping[str, Facts]) -> Facts:
    if subject.person is None:
        return Facts(None)
    facts = by_id[subject.person.profile_id]
    return facts if subject.asked_id == facts.profile_id else replace(facts, retired_id=subject.asked_id)


def _facts_by_profile(connection: sa.Connection, people: Mapping[str, Person], now: datetime) -> dict[str, Facts]:
    if not people:
        return {}
    points = {profile_id: _points(person) for profile_id, person in people.items()}
    ledgers = _ledgers(connection, {point.contact_point_id for found in points.values() for point in found})
    planned = _planned_for(connection, [one for person in people.values() for one in person.all_ids], now)
    run = last_published_run(connection)
    as_of = run.as_of if run else now
    facts = {
        profile_id: _facts(
            person,
            points[profile_id],
            ledgers,
            [decision for one in person.all_ids for decision in planned.get(one, ())],
            as_of,
            now,
        )
        for profile_id, person in people.items()
    }
    return _with_promises(connection, people, facts)


_HELD_OUT = Prepared(
    sa.select(holdouts.c.profile_id, holdouts.c.name, holdouts.c.is_held_out)
    .where(among(holdouts.c.profile_id, "ids"))
    .order_by(holdouts.c.since.desc())
)


def _with_promises(
    connection: sa.Connection, people: Mapping[str, Person], facts: dict[str, Facts]
) -> dict[str, Facts]:
    """The facts with the claims and holdouts of each person, under all ids that they have had: merged people share
    them, and of two holdouts of one name the first stands.
    """
    owners = {one: profile_id for profile_id, person in people.items() for one in person.all_ids}
    claims: dict[str, list[Claim]] = {}
    for one, claim in claims_of(connection, owners):
        claims.setdefault(owners[one], []).append(claim)
    held_out: dict[str, dict[str, bool]] = {}
    for one, name, is_held_out in _HELD_OUT.rows(connection, ids=owners):
        held_out.setdefault(owners[one], {})[name] = is_held_out
    for profile_id in claims.keys() | held_out.keys():
        facts[profile_id] = replace(
            facts[profile_id], claims=tuple(claims.get(profile_id, ())), held_out=held_out.get(profile_id, {})
        )
    return facts


def _ledgers(connection: sa.Connection, ids: Collection[str]) -> _Ledgers:
    ledgers = _Ledgers({}, {})
    for entry in plain_entries_of(connection, ids):
        ledgers.entries.setdefault(entry.contact_point_id, []).append(entry)
    for suppression in suppressions_of(connection, ids):
        ledgers.suppressions.setdefault(suppression.contact_point_id, []).append(suppression)
    return ledgers


_PLANNED = Prepared(
    sa.select(decisions.c.profile_id, *(decisions.c[column.name] for column in fields(Planned)))
    .where(
        among(decisions.c.profile_id, "ids"),
        decisions.c.send_at > sa.bindparam("since"),
        decisions.c.outcome.is_distinct_from("not_sent"),
    )
    .order_by(decisions.c.send_at, decisions.c.decision_id)
)


def _planned_for(connection: sa.Connection, ids: Collection[str], now: datetime) -> dict[str, list[Planned]]:
    """Earlier decisions that still count against caps, by the profile ids they were made for."""
    found: dict[str, list[Planned]] = {}
    for profile_id, *planned in _PLANNED.rows(connection, ids=ids, since=now - WEEK):
        found.setdefault(profile_id, []).append(Planned(*planned))
    return found


def addresses_of(person: Person) -> dict[str, str]:
    """The addresses of a person, by contact point id."""
    return {point.contact_point_id: point.value for point in _points(person) if point.type in _ADDRESSES}


def _points(person: Person) -> list[_Point]:
    """The person's contact points, best first: those of the golden record, then live ones, then the most recent."""
    golden = {person.document["traits"].get(kind) for kind in _ADDRESSES}
    newest = sorted(person.live.identifiers, key=lambda one: -one.inbox_seq)
    live = [(one.type, one.value) for one in newest]
    good = [one for one in person.document["identifiers"] if one["quality"] in _GOOD]
    good.sort(key=lambda one: one["last_seen_at"], reverse=True)
    known = [*live, *((one["type"], one["value"]) for one in good)]
    known.sort(key=lambda identifier: identifier[1] not in golden)
    return [_Point(contact_point_id(*one), *one) for one in dict.fromkeys(known)]


def _facts(
    person: Person,
    points: Sequence[_Point],
    ledgers: _Ledgers,
    planned: Sequence[Planned],
    as_of: datetime,
    now: datetime,
) -> Facts:
    messages = _messages(person)
    unset = unset_values(person.document) | claimed_values(person.document)
    recent = {(one["channel"], one["message_id"]): one for one in person.document.get("recent_messages", [])}
    ids = [point.contact_point_id for point in points]
    entries = tuple(entry for one in ids for entry in ledgers.entries.get(one, ()))
    return Facts(
        profile_id=person.profile_id,
        timezone=person.document["traits"]["timezone"],
        timezone_is_claim=is_claimed(person.document, "timezone") and not is_claimed(person.document, "country"),
        country=person.country,
        # What its source has unset, or a write key has added to what others have told, stays evidence of identity, and
        # its consents count, but nobody is written to there.
        addresses=tuple(
            _address(point, is_country_known=person.country is not None)
            for point in points
            if point.type in _ADDRESSES and point[1:] not in unset
        ),
        met_on=_met_on(person, entries),
        chats_open_until=chats_open_until(person.document, person.live, now),
        entries=entries,
        suppressions=tuple(found for one in ids for found in ledgers.suppressions.get(one, ())),
        planned=tuple(planned),
        sent=_sent(recent, messages, now),
        history=_histories(person, as_of),
        responses=tuple(response for one in messages if (response := _response(one, recent))),
    )


def _address(point: _Point, *, is_country_known: bool) -> Address:
    # Reading a number takes as long as a decision: its country counts where the person's own is unknown.
    is_asked = point.type == "phone" and not is_country_known
    country = _country_of_phone(point.value) if is_asked else None
    return Address(point.contact_point_id, point.type, country, point.value)


def _country_of_phone(e164: str) -> str | None:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return None


def _met_on(person: Person, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Channels that the person has used or made a statement about."""
    met = {one["channel"] for one in person.document["preferences"] if one["reachable"] or one["received_count"]}
    met |= {event.channel for event in person.live.human_events}
    return tuple(sorted(met | {entry.channel for entry in entries}))


def _histories(person: Person, as_of: datetime) -> dict[str, History]:
    """The last run's history of each channel. Later events are in `responses` and would be counted twice here."""
    preferences = person.published["preferences"] if person.published else []
    return {one["channel"]: _history(one, as_of) for one in preferences}


def _history(preference: Preference, as_of: datetime) -> History:
    return History(
        as_of=as_of,
        received=preference.get("decayed_received", 0.0),
        answered=preference.get("decayed_responses", 0.0),
        received_count=preference["received_count"],
        # No rate: nobody had received a message on the channel in the last run.
        rate=preference.get("prior") or None,
        prior_weight=preference.get("prior_weight"),
        half_life_days=preference.get("half_life_days"),
    )


def _messages(person: Person) -> list[_Message]:
    """Live events grouped by message, as in a run: all reports about one message count as one message."""
    events: dict[tuple[str, str], list[LiveEvent]] = {}
    for event in person.live.human_events:
        if event.channel in MESSAGE_CHANNELS:
            events.setdefault((event.channel, message_id(event)), []).append(event)
    return [
        _Message(*key, [event.event_type for event in found], [event.occurred_at for event in found])
        for key, found in events.items()
    ]


def _sent(
    recent: Mapping[tuple[str, str], RecentMessage], messages: Sequence[_Message], now: datetime
) -> tuple[Sent, ...]:
    published = [
        Sent(one["message_id"], one["channel"], datetime.fromisoformat(one["sent_at"])) for one in recent.values()
    ]
    live = [
        Sent(one.message_id, one.channel, one.times[0])
        for one in messages
        if _SENT.intersection(one.kinds) and (one.channel, one.message_id) not in recent
    ]
    return tuple(message for message in (*published, *live) if message.sent_at > now - WEEK)


def _response(message: _Message, recent: Mapping[tuple[str, str], RecentMessage]) -> Response | None:
    """What is new about a message since the last run, if anything."""
    known = recent.get((message.channel, message.message_id))
    response = Response(
        channel=message.channel,
        at=message.times[-1],
        is_received=bool(RECEIVED.intersection(message.kinds)) and not (known and known["is_received"]),
        is_clicked="clicked" in message.kinds and not (known and known["is_answered"]),
        is_replied="replied" in message.kinds and not (known and known["is_answered"]),
    )
    return response if response.is_received or response.is_clicked or response.is_replied else None
