"""The preference page behind an unsubscribe link: the choices at one contact point, and how they change.

Choices apply to the link's own contact point: whoever receives a forwarded e-mail must not be able to subscribe a
phone. An opt-out from everything also covers the person's other contact points.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdp.channels import ADDRESS_TYPES, BY_NAME
from cdp.consent import OPT_OUTS, ConsentRules, ContactPoint, Standing, Statement
from cdp.consent.ledger import find_contact_point
from cdp.consent.links import Link
from cdp.consent.standings import PersonConsents, Point, read_holders_consents
from cdp.consent.stating import reached_by
from cdp.ids import crockford
from cdp.store import Connection

_NOTES = {
    "stop": "You replied STOP. Reply START to a message to receive them again.",
    "complaint": "You reported a message as spam, so we no longer send messages here.",
    "hard_bounce": "Messages to this address have failed, so we are not sending any at the moment.",
    "erased": "We no longer send messages here.",
}


@dataclass(frozen=True)
class Choice:
    """A whole channel or one of its topics, with its consent and suppressions."""

    channel: str
    topic: str | None
    standing: Standing
    suppressed_by: Sequence[str]

    @property
    def key(self) -> str:
        """The choice's value in the form."""
        return f"{self.channel}/{self.topic or ''}"

    @property
    def label(self) -> str:
        title = BY_NAME[self.channel].title
        return f"{title}: {self.topic}" if self.topic else title

    @property
    def is_granted(self) -> bool:
        return self.standing.state == "granted"

    @property
    def note(self) -> str:
        return " ".join(_NOTES[reason] for reason in self.suppressed_by) if self.topic is None else ""


@dataclass(frozen=True)
class Preferences:
    """What the holder of a link may see and change."""

    link: Link
    point: Point
    address: ContactPoint | None
    consents: PersonConsents
    choices: Sequence[Choice]

    @property
    def linked(self) -> Choice:
        """The choice that the link's message belongs to."""
        return next(each for each in self.choices if (each.channel, each.topic) == (self.link.channel, self.link.topic))

    @property
    def unsubscribes_from(self) -> str:
        return "" if self.linked.standing.state in OPT_OUTS else self.linked.label

    @property
    def masked_address(self) -> str:
        """Enough to recognise the address. The link may be in other hands than the address.

        Nobody knows the token of a device, or the own id on a platform.
        """
        if self.address is None or self.address.type not in ("email", "phone"):
            return ""
        name, at, domain = self.address.value.partition("@")
        return f"{name[:1]}•••@{domain}" if at else f"•••{name[-2:]}"


def preferences_of(connection: Connection, link: Link, *, rules: ConsentRules, as_of: datetime) -> Preferences:
    """The choices at the contact point of a link."""
    point = Point(link.contact_point_id, ADDRESS_TYPES[link.channel])
    consents = read_holders_consents(connection, point, rules=rules, as_of=as_of)
    choices = [
        Choice(
            channel,
            topic,
            consents.standing(point, channel, link.purpose, topic),
            consents.suppressed_by(point, channel),
        )
        for channel, topic in _offered(consents, point, link)
    ]
    return Preferences(link, point, find_contact_point(connection, point.id), consents, choices)


def _offered(consents: PersonConsents, point: Point, link: Link) -> Iterator[tuple[str, str | None]]:
    """(channel, topic) of the link and of every statement about its contact point, channel by channel."""
    stated = {
        (entry.channel, entry.topic)
        for entry in consents.entries
        if entry.contact_point_id == point.id and entry.purpose == link.purpose
    }
    stated |= {(link.channel, link.topic)}
    for channel in point.channels:
        topics = {topic for stated_channel, topic in stated if stated_channel == channel}
        if topics:
            yield channel, None
            yield from ((channel, topic) for topic in sorted(topic for topic in topics if topic is not None))


def unsubscribe(found: Preferences, evidence: Mapping[str, str]) -> list[Statement]:
    """Opt out of the link's topic or channel. Idempotent, even for concurrent requests: they share an entry id."""
    if found.linked.standing.state in OPT_OUTS:
        return []
    before = found.linked.standing.entry_id or ""
    digest = hashlib.sha256("\0".join([found.point.id, found.linked.key, before]).encode()).digest()
    entry_id = f"cns_{crockford(int.from_bytes(digest[:16]))}"
    return [_statement(found, found.linked, "withdrawn", evidence, entry_id=entry_id)]


def save(found: Preferences, chosen: Collection[str], evidence: Mapping[str, str]) -> list[Statement]:
    """Grant the ticked choices and withdraw the others, on the channels where this changes anything."""
    changed = {each.channel for each in found.choices if each.is_granted != (each.key in chosen)}
    return [
        _statement(found, each, "granted" if each.key in chosen else "withdrawn", evidence)
        for each in found.choices
        if each.channel in changed
    ]


def unsubscribe_from_everything(
    connection: Connection, found: Preferences, evidence: Mapping[str, str]
) -> list[Statement]:
    """Opt out of all channels, at every contact point that the person currently has."""
    known = reached_by(connection, [found.address], "all") if found.address else []
    points = dict.fromkeys([found.point, *(Point(point.id, point.type) for point in known)])
    whole = next(each for each in found.choices if (each.channel, each.topic) == (found.link.channel, None))
    return [_statement(found, whole, "withdrawn", evidence, point=point, scope="all") for point in points]


def _statement(
    found: Preferences,
    choice: Choice,
    state: str,
    evidence: Mapping[str, str],
    *,
    point: Point | None = None,
    scope: str | None = None,
    entry_id: str | None = None,
) -> Statement:
    point = point or found.point
    # The channel comes first, so that the choices of its topics override it.
    earlier = timedelta(microseconds=1 if choice.topic is None else 0)
    return Statement(
        contact_point_id=point.id,
        contact_point_type=point.type,
        channel=choice.channel,
        purpose=found.link.purpose,
        topic=choice.topic,
        state=state,
        scope=scope or ("topic" if choice.topic else "channel"),
        basis="consent",
        occurred_at=found.consents.as_of - earlier,
        source="unsubscribe_link",
        actor="person",
        evidence=evidence,
        entry_id=entry_id,
    )
