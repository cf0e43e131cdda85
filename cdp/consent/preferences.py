"""The choices that somebody has who holds a link: what they get at one contact point, and what changes it.

Choices are those of the link's own contact point: who forwards a mail shall not subscribe a phone. An opt-out from
everything reaches the person's other contact points as well.
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
    "stop": "You have answered STOP. Answer START to a message if you want them again.",
    "complaint": "You have reported a message as spam, so we do not write here any more.",
    "hard_bounce": "Messages to this address have failed, so we do not write here at the moment.",
    "erased": "We do not write here any more.",
}


@dataclass(frozen=True)
class Choice:
    """A channel as a whole or a topic of it, and what holds for it."""

    channel: str
    topic: str | None
    standing: Standing
    suppressed_by: Sequence[str]

    @property
    def key(self) -> str:
        """What a form sends for it."""
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
        """What the link's message was about."""
        return next(each for each in self.choices if (each.channel, each.topic) == (self.link.channel, self.link.topic))

    @property
    def unsubscribes_from(self) -> str:
        return "" if self.linked.standing.state in OPT_OUTS else self.linked.label

    @property
    def masked_address(self) -> str:
        """Enough to know it again. Who holds the link may not be who has the address."""
        if self.address is None or self.address.type == "device_token":
            return ""
        name, at, domain = self.address.value.partition("@")
        return f"{name[:1]}•••@{domain}" if at else f"•••{name[-2:]}"


def preferences_of(connection: Connection, link: Link, *, rules: ConsentRules, as_of: datetime) -> Preferences:
    """What holds for the contact point of a link, in all that was said about it."""
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
    """The link's channel and those that were spoken of, each with its topics."""
    spoken = {
        (entry.channel, entry.topic)
        for entry in consents.entries
        if entry.contact_point_id == point.id and entry.purpose == link.purpose
    }
    spoken |= {(link.channel, link.topic)}
    for channel in point.channels:
        topics = {topic for way, topic in spoken if way == channel}
        if topics:
            yield channel, None
            yield from ((channel, topic) for topic in sorted(topic for topic in topics if topic is not None))


def unsubscribe(found: Preferences, evidence: Mapping[str, str]) -> list[Statement]:
    """Leave what the link's message was about. Said again it states nothing, however many say it at once."""
    if found.linked.standing.state in OPT_OUTS:
        return []
    before = found.linked.standing.entry_id or ""
    digest = hashlib.sha256("\0".join([found.point.id, found.linked.key, before]).encode()).digest()
    entry_id = f"cns_{crockford(int.from_bytes(digest[:16]))}"
    return [_statement(found, found.linked, "withdrawn", evidence, entry_id=entry_id)]


def save(found: Preferences, chosen: Collection[str], evidence: Mapping[str, str]) -> list[Statement]:
    """What was ticked is granted, what was not is withdrawn, on the channels where this changes anything."""
    changed = {each.channel for each in found.choices if each.is_granted != (each.key in chosen)}
    return [
        _statement(found, each, "granted" if each.key in chosen else "withdrawn", evidence)
        for each in found.choices
        if each.channel in changed
    ]


def leave_everything(connection: Connection, found: Preferences, evidence: Mapping[str, str]) -> list[Statement]:
    """Opt out of all channels, at every contact point that the person has by now."""
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
    # The channel first: what is chosen of its topics holds after it.
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
