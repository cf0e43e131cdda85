"""A store with invented people, providers that keep a ledger of their own, and a clock that is passed in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

import polars as pl
import structlog
from joserfc.jwk import OctKey

from cdp.channels import ADDRESS_TYPES, MESSAGE_CHANNELS, PLATFORM_ID_TYPES
from cdp.consent import ContactPoint, Suppression, contact_point_id
from cdp.consent.ledger import keep_contact_points, record, suppress
from cdp.consent.links import UnsubscribeLinks
from cdp.consent.statement import Statement
from cdp.content.compiled import Compiled
from cdp.content.library import Library, load_library
from cdp.content.versions import Versions, keep_versions
from cdp.decision.log import keep_policy
from cdp.decision.policy import Policy
from cdp.delivery import Accepted, Dispatch, Outcome, Setting, Settings
from cdp.ids import crockford
from cdp.people import live_layer
from cdp.people.current import LiveEvent
from cdp.people.holding import publishing
from cdp.people.published import PublishedChanges, apply_publish
from cdp.sending.accepting import Wanted, accept, asking
from cdp.sending.broadcasts import Broadcast, Broadcasts
from cdp.sending.dispatching import Dispatcher
from cdp.sending.fallbacks import Fallbacks
from cdp.sending.messages import Message, messages_of
from cdp.sending.overview import Filter, Tracked, list_messages, tracked
from cdp.sending.post import PostOffice, Route
from cdp.sending.receipts import Receipt
from cdp.sending.receipts import record as record_receipts
from cdp.sending.tools import Tools
from cdp.settings import DATA
from cdp.store import Store
from cdp.work import Kind, Runner
from tests.api.service import DOCUMENT
from tests.cdp.deciding import policy

# A Wednesday, 14:00 in Zürich.
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LIBRARY = load_library(DATA / "templates", DATA / "brand.yaml")
# What live events are added to.
METRICS = {**DOCUMENT["metrics"], "event_count": 0, "first_event_at": None, "last_event_at": None}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Recorder:
    """A provider: it takes every message, but for those whose outcome is scripted, and keeps a ledger."""

    channels: tuple[str, ...] = MESSAGE_CHANNELS
    settings: tuple[Setting, ...] = ()
    ledger: list[Dispatch] = field(default_factory=list)
    # The outcomes of the next calls; whatever they say, a call is in `calls`, and only accepted ones in the ledger.
    script: list[Outcome] = field(default_factory=list)
    calls: list[Dispatch] = field(default_factory=list)

    def suits(self, _address: str) -> bool:
        return True

    @contextmanager
    def opened(self, _settings: Settings) -> Iterator[Recorder]:
        yield self

    def send(self, dispatch: Dispatch) -> Outcome:
        self.calls.append(dispatch)
        outcome = self.script.pop(0) if self.script else Accepted(f"provider-{dispatch.message_id}")
        if isinstance(outcome, Accepted):
            self.ledger.append(dispatch)
        return outcome


@dataclass
class World:
    store: Store
    clock: Clock = field(default_factory=Clock)
    providers: dict[str, Recorder] = field(default_factory=lambda: {"recorder": Recorder()})
    policy: Policy = field(default_factory=policy)
    library: Library = LIBRARY
    # The people in each segment.
    segments: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        routes = [Route(name, sender, {}) for name, sender in self.providers.items()]
        links = UnsubscribeLinks([OctKey.generate_key(256)], "https://cdp.example.com")
        self.tools = Tools(
            self.library, self.policy, links, PostOffice(routes), "https://cdp.example.com", Versions(self.library)
        )
        self.dispatcher = Dispatcher(self.tools)
        keep_policy(self.store, self.policy, NOW)
        keep_versions(self.store, self.library, NOW)

    @property
    def recorder(self) -> Recorder:
        return next(iter(self.providers.values()))

    @property
    def kinds(self) -> Sequence[Kind]:
        broadcasts = Broadcasts(self.tools, self.store, lambda segment: [self.segments[segment]])
        return (self.dispatcher.kind(), Fallbacks(self.tools).kind(), broadcasts.kind())

    def people(self, *names: str, on_platforms: bool = False, **traits: Any) -> list[str]:
        """Publish people with an e-mail, a phone and a device each, and an id on each platform if so wanted, who have
        granted everything; their profile ids.
        """
        ids = [profile_id_of(name) for name in names]
        documents, identifiers, points, granted = [], [], [], []
        for number, (name, profile_id) in enumerate(zip(names, ids, strict=True)):
            values = {k: v for k, v in addresses_of(name).items() if on_platforms or k not in PLATFORM_ID_TYPES}
            documents.append((profile_id, json.dumps(_document(name, values, **traits)), f"hash-{number}"))
            identifiers += [(kind, value, profile_id) for kind, value in values.items()]
            for channel, kind in ADDRESS_TYPES.items():
                if kind not in values:
                    continue
                points.append(ContactPoint(kind, values[kind]))
                granted.append(_statement(channel, kind, values[kind], "granted"))
        empty = PublishedChanges(NOW)
        changes = PublishedChanges(
            NOW,
            profiles_upsert=_rows(empty.profiles_upsert, documents),
            identifiers_insert=_rows(empty.identifiers_insert, identifiers),
        )
        with self.store.write() as connection:
            apply_publish(connection, changes)
            keep_contact_points(connection, points)
            record(connection, granted, NOW)
        return ids

    def merge(self, name: str, *others: str) -> None:
        """A run finds that others are the person `name`, who keeps all addresses."""
        survivor, gone = profile_id_of(name), [profile_id_of(one) for one in others]
        held = [(kind, value) for one in (name, *others) for kind, value in addresses_of(one).items()]
        identity = {**DOCUMENT["identity"], "aliases": gone}
        document = {
            **_document(name, addresses_of(name)),
            "identifiers": [_identifier(*one) for one in held],
            "identity": identity,
        }
        empty = PublishedChanges(NOW)
        changes = PublishedChanges(
            NOW,
            profiles_upsert=_rows(empty.profiles_upsert, [(survivor, json.dumps(document), "merged")]),
            profiles_delete=_rows(empty.profiles_delete, [(one,) for one in gone]),
            identifiers_insert=_rows(empty.identifiers_insert, [(*one, survivor) for one in held]),
            aliases_upsert=_rows(empty.aliases_upsert, [(one, survivor, "run_1") for one in gone]),
        )
        with publishing(self.store) as connection:
            apply_publish(connection, changes)

    def send(self, profile_id: str, template: str = "welcome", **wanted: Any) -> Message:
        """Accept a message."""
        return self.send_all(self.wanted(profile_id, template, **wanted))[0]

    def wanted(self, profile_id: str, template: str = "welcome", **wanted: Any) -> Wanted:
        content = wanted.pop("content", None) or self.library.require(template)
        return Wanted(
            **{"client_id": "shop", "content": content, "purpose": "marketing", "profile_id": profile_id, **wanted}
        )

    def send_all(self, *wanted: Wanted) -> list[Message]:
        now = self.clock()
        asked = [asking(one, self.library, self.policy, self.tools.post.channels, now) for one in wanted]
        with self.store.write() as connection:
            return [message for message, _ in accept(connection, asked, self.policy, now)]

    def work(self, chance: float = 0.5) -> None:
        """Do all work that is due."""
        Runner(self.store, self.kinds, self.clock, structlog.get_logger(), lambda: chance).drain()

    def opt_out(self, name: str, channel: str) -> None:
        """The person withdraws consent on a channel."""
        kind = ADDRESS_TYPES[channel]
        with self.store.write() as connection:
            record(
                connection,
                [_statement(channel, kind, addresses_of(name)[kind], "withdrawn", self.clock())],
                self.clock(),
            )

    def stop(self, name: str, channel: str) -> None:
        """The address is suppressed on a channel."""
        point = contact_point_id(ADDRESS_TYPES[channel], addresses_of(name)[ADDRESS_TYPES[channel]])
        with self.store.write() as connection:
            suppress(connection, [Suppression(point, channel, "stop", "test", self.clock())], self.clock())

    def report(self, message: Message, *event_types: str, provider: str = "recorder", by: str = "message_id") -> None:
        """The provider reports on a message, by our id or by its own."""
        ids = {by: message.message_id if by == "message_id" else f"provider-{message.message_id}"}
        receipts = [
            Receipt(provider, f"{provider}:{message.message_id}:{one}", one, str(message.channel), self.clock(), **ids)
            for one in event_types
        ]
        with self.store.write() as connection:
            record_receipts(connection, receipts, self.clock())

    def wrote(self, name: str, channel: str) -> None:
        """The person has just written on the channel."""
        event_id = f"written:{name}:{channel}:{self.clock().isoformat()}"
        event = LiveEvent(event_id, profile_id_of(name), channel, "replied", None, self.clock(), False, 1)
        with self.store.write() as connection:
            live_layer.add(connection, [], [], [event])

    def message(self, message_id: str) -> Message:
        with self.store.read() as connection:
            return messages_of(connection, [message_id])[message_id]

    def tracked(self, message: Message) -> Tracked:
        with self.store.read() as connection:
            return tracked(connection, message.message_id)

    def all_messages(self) -> list[Message]:
        with self.store.read() as connection:
            found = list_messages(connection, Filter(), 10_000)
        return sorted(found, key=lambda one: (one.created_at, one.parent_id is not None))

    def states(self) -> list[tuple[str | None, str]]:
        """(channel, state) of all messages, oldest first."""
        return [(one.channel, one.state) for one in self.all_messages()]

    def close(self) -> None:
        self.dispatcher.close()
        self.tools.close()


def new_broadcast(template: Compiled, now: datetime, **more: Any) -> Broadcast:
    """A broadcast of a template that begins now, to a segment and under a campaign of its name if none is given."""
    made: dict[str, Any] = {"broadcast_id": f"bct_{template.name}", "segment": template.name, "campaign": template.name}
    made |= {"template": template.name, "template_version": template.version, "client_id": "shop"}
    made |= {"purpose": "marketing", "topic": None, "data": None, "rate": None, "holdout": 0.0, "state": "gathering"}
    return Broadcast(**{**made, "starts_at": now, "created_at": now, "changed_at": now, **more})


def profile_id_of(name: str) -> str:
    """A profile id that follows from the name."""
    return f"prf_{crockford(int.from_bytes(md5(name.encode()).digest()))}"


def addresses_of(name: str) -> dict[str, str]:
    """The addresses of a person, which follow from the name."""
    number = sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 10_000_000
    own = {"email": f"{name}@example.com", "phone": f"+4179{number:07}", "device_token": f"device-of-{name}"}
    return own | {"telegram_chat": f"1{number:07}", "messenger_psid": f"125447777{number:07}"}


def _document(name: str, values: dict[str, str], **traits: Any) -> dict[str, Any]:
    contacts = {kind: values[kind] for kind in ("email", "phone")}
    known = {**DOCUMENT["traits"], "first_name": name.title(), "language": "en", **contacts, **traits}
    held = [_identifier(kind, value) for kind, value in values.items()]
    about = {"profile_id": profile_id_of(name), "traits": known, "identifiers": held}
    return {**DOCUMENT, **about, "preferences": [], "metrics": METRICS}


def _identifier(kind: str, value: str) -> dict[str, Any]:
    seen = {"first_seen_at": "2025-01-01T00:00:00Z", "last_seen_at": "2026-06-30T08:00:00Z"}
    return {"type": kind, "value": value, "quality": "unique", "sources": ["shop"], **seen}


def _statement(channel: str, kind: str, value: str, state: str, at: datetime = NOW - timedelta(days=9)) -> Statement:
    return Statement(
        contact_point_id=contact_point_id(kind, value),
        contact_point_type=kind,
        channel=channel,
        purpose="marketing",
        state=state,
        occurred_at=at,
        source="test",
        actor="person",
    )


def _rows(like: pl.DataFrame, values: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=like.schema, orient="row")
