"""Live payloads, in one store transaction: inbox, conform, resolve, apply."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from queue import LifoQueue
from typing import Any, NamedTuple

from cdp.channels import ADDRESS_TYPES
from cdp.consent import contact_point_id
from cdp.errors import UsageError
from cdp.live import inbox
from cdp.live.apply import People, apply, find_people
from cdp.live.conforming import Conformer
from cdp.live.inbox import Arrival
from cdp.live.items import Conformed, Item
from cdp.live.values import WorthlessLooks
from cdp.normalise import read_countries
from cdp.providers import load_sources
from cdp.sending.receipts import Extent
from cdp.sending.receipts import Receipt as MessageReceipt
from cdp.sending.receipts import record as record_receipts
from cdp.sending.told_offers import Told, claim_told
from cdp.settings import Settings
from cdp.sources import Source
from cdp.store import Connection, Store

# So many payloads are written within some 50 ms. Other writers, decisions among them, wait for that long.
MOST_AT_ONCE = 200

BROKEN_JSON = "broken_json"
_WARM_UP_PAYLOAD = '{"type": "identify", "userId": "u", "traits": {"email": "u@example.com", "phone": "+14155550100"}}'

_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


@dataclass(frozen=True)
class LiveItem:
    """A payload as it will be landed: one line of a log. `message_id` is unique within its source.

    payload: JSON text, or a value that is serialised to it. A list, or an object that wraps one under a key declared by
    the source, holds several events, as in a file.
    """

    message_id: str
    payload: dict[str, Any] | list[Any] | str


class Refusal(NamedTuple):
    """Why an item is refused by the source's mapping or by the conforming rules.

    detail: which field is wrong; never a value.
    """

    reason: str
    detail: str | None = None


class Outcome(NamedTuple):
    """What became of an item.

    is_new: it is in the inbox and lands with the next run; the message id of other items is known.
    reason: why a new item was refused.
    """

    is_new: bool
    reason: str | None = None


@dataclass(frozen=True)
class Receipt:
    """The outcome of each item, in their order."""

    outcomes: Sequence[Outcome]

    @property
    def accepted(self) -> int:
        """The number of new items, including refused ones."""
        return sum(outcome.is_new for outcome in self.outcomes)

    @property
    def duplicates(self) -> int:
        """The number of items that came before; they are ignored."""
        return len(self.outcomes) - self.accepted

    @property
    def rejected(self) -> list[tuple[int, str]]:
        """(position, reason code) of the refused items."""
        return [(position, outcome.reason) for position, outcome in enumerate(self.outcomes) if outcome.reason]


class Receiver:
    """Receives live payloads. Created once per process; its methods are thread-safe."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._region = settings.default_region
        self._sources = load_sources()
        self._countries = read_countries(settings.reference)
        self._looks = WorthlessLooks.read(settings.reference)
        # More conformers than threads would only wait for each other.
        self._conformers: LifoQueue[Conformer | None] = LifoQueue()
        for _ in range(settings.threads):
            self._conformers.put(None)

    def receive(
        self, source_name: str, items: Sequence[LiveItem], received_at: datetime, *, format: str | None = None
    ) -> Receipt:
        """Store `items` durably and put them into force before returning, in one transaction.

        Args:
            items: best at most `MOST_AT_ONCE`, because others cannot write meanwhile.
            source_name: the source of the payloads, one lower-case word; it becomes `source` in every table.
            received_at: the UTC time of the request.
            format: the source whose mapping reads them, as listed by `cdp sources`; by default `source_name`.

        Raises:
            UsageError: the format is unknown, or the source's name is not one lower-case word.
            Unavailable: the store is locked or out of reach; nothing was stored. Respond 503 with Retry-After.
        """
        source = self._source(source_name, format or source_name)
        if not items:
            return Receipt(())
        arrivals = [_arrival(item) for item in items]
        conformed = self._conform(source_name, source, arrivals, received_at)
        refusals = _refusals(conformed.items, len(items))
        judged = [_judged(arrival, refusals.get(position)) for position, arrival in enumerate(arrivals)]
        with self._store.write() as connection:
            new = self._store_items(connection, source_name, source.name, judged, conformed, received_at)
        return Receipt([_outcome(position in new, refusals.get(position)) for position in range(len(items))])

    def refusals(
        self, source_name: str, items: Sequence[LiveItem], received_at: datetime, *, format: str | None = None
    ) -> Mapping[int, Refusal]:
        """The items that `receive` would refuse, by position. Nothing is stored.

        Raises:
            UsageError: as `receive`.
        """
        source = self._source(source_name, format or source_name)
        arrivals = [_arrival(item) for item in items]
        return _refusals(self._conform(source_name, source, arrivals, received_at).items, len(items))

    def has_received(self, source_name: str, item: LiveItem) -> bool:
        """Whether this payload, and no other, came under its message id."""
        with self._store.read() as connection:
            return inbox.holds(connection, source_name, _arrival(item))

    def warm_up(self) -> None:
        """Prepare for the first payload, which would otherwise wait half a second."""
        source = self._sources["segment"]
        with self._conformer() as conformer:
            conformer.conform(source.name, source, [_WARM_UP_PAYLOAD], datetime.now(UTC))

    def _source(self, source_name: str, format: str) -> Source:
        source = self._sources.get(format)
        if source is None or source.needs_mapping:
            raise UsageError(f"unknown format {format!r}", hint="`cdp sources` lists the formats")
        if not _SOURCE_NAME.fullmatch(source_name):
            raise UsageError(f"a source's name is one lower-case word, not {source_name!r}")
        return source

    def _conform(
        self, source_name: str, source: Source, arrivals: Sequence[Arrival], received_at: datetime
    ) -> Conformed:
        with self._conformer() as conformer:
            return conformer.conform(source_name, source, [arrival.payload for arrival in arrivals], received_at)

    def _store_items(
        self,
        connection: Connection,
        source_name: str,
        format: str,
        arrivals: Sequence[Arrival],
        conformed: Conformed,
        received_at: datetime,
    ) -> Mapping[int, int]:
        """Store payloads in the inbox and apply their items; return the inbox number of each new one, by position."""
        accepted = [item for item in conformed.items if item.reason is None]
        people = find_people(connection, accepted, conformed.observations, self._looks)
        profiles = {item.position: people.profile_of(item) for item in reversed(accepted)}
        resolved = [replace(arrival, profile_id=profiles.get(position)) for position, arrival in enumerate(arrivals)]
        new = _positions(arrivals, inbox.put(connection, source_name, format, resolved, received_at))
        fresh = [item for item in accepted if item.position in new]
        apply(connection, fresh, people, new, received_at)
        record_receipts(connection, _receipts(source_name, fresh, people), received_at)
        claim_told(connection, _told_offers(fresh, people), received_at)
        return new

    def close(self) -> None:
        """Release the connections. No call may be in progress."""
        while not self._conformers.empty():
            conformer = self._conformers.get()
            if conformer:
                conformer.close()

    @contextmanager
    def _conformer(self) -> Iterator[Conformer]:
        """An idle conformer for exclusive use; waits until there is one."""
        idle, sound = self._conformers.get(), None
        try:
            conformer = idle or Conformer(self._countries, self._region)
            yield conformer
            sound = conformer
        finally:
            # After a failed statement the conformer's state is unknown, so it is replaced by a new one.
            self._conformers.put(sound)


def _receipts(source_name: str, items: Iterable[Item], people: People) -> Iterator[MessageReceipt]:
    """What a provider reports of messages that were handed over to it. A write key can report nothing."""
    for item in items:
        if item.event_id and item.event_type and item.channel and not item.is_claim:
            yield MessageReceipt(
                source_name,
                item.event_id,
                item.event_type,
                item.channel,
                item.occurred_at,
                item.message_id,
                item.message_ref,
                _extent(item, people),
            )


def _extent(item: Item, people: People) -> Extent | None:
    """The messages that a report is about if it names none, but a time until which they were sent."""
    if item.message_ref is not None or item.message_id is not None or '"until"' not in (item.properties or ""):
        return None
    kind = ADDRESS_TYPES.get(str(item.channel))
    address = next((value for held, value in people.observation_of(item).identifiers if held == kind), None)
    until = _time(json.loads(str(item.properties)).get("until"))
    if kind is None or address is None or until is None:
        return None
    return Extent(people.profile_of(item), contact_point_id(kind, address), until)


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _told_offers(items: Iterable[Item], people: People) -> Iterator[Told]:
    """The offers that events tell of. A write key can promise nothing."""
    for item in items:
        if item.event_id and not item.is_claim and '"offer"' in (item.properties or ""):
            offer = json.loads(str(item.properties)).get("offer")
            if isinstance(offer, dict):
                yield Told(item.event_id, people.profile_of(item), item.occurred_at, json.dumps(offer))


def _arrival(item: LiveItem) -> Arrival:
    """The item as a row of the inbox, its payload as a line of a log."""
    payload = item.payload
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return Arrival(_text(item.message_id), _text(text).strip(" \t\r\n\ufeff"))


def _text(text: str) -> str:
    """Text without lone surrogates, which no store accepts, and without NUL, which PostgreSQL does not accept."""
    text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _positions(arrivals: Sequence[Arrival], added: Mapping[str, int]) -> dict[int, int]:
    """The inbox number of each new payload, by position. Of two with the same message id, the first is new."""
    first = {arrival.message_id: position for position, arrival in reversed(list(enumerate(arrivals)))}
    return {first[message_id]: seq for message_id, seq in added.items()}


def _refusals(items: Iterable[Item], payload_count: int) -> Mapping[int, Refusal]:
    """The payloads that are refused or contain a refused item, by position, each with its first reason."""
    unread = set(range(payload_count))
    refusals: dict[int, Refusal] = {}
    for item in items:
        unread.discard(item.position)
        if item.reason:
            refusals.setdefault(item.position, Refusal(item.reason, item.detail))
    return refusals | dict.fromkeys(unread, Refusal(BROKEN_JSON))


def _judged(arrival: Arrival, refusal: Refusal | None) -> Arrival:
    return replace(arrival, reason=refusal.reason, detail=refusal.detail) if refusal else arrival


def _outcome(is_new: bool, refusal: Refusal | None) -> Outcome:
    return Outcome(is_new, refusal.reason if refusal and is_new else None)
