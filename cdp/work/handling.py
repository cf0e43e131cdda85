"""Kinds of work: their handlers, and the batches of items that handlers process.

A handler is a function of a `Batch`. When it returns, the items are done; when it raises, they are retried later.
To commit its effects together with the completion of the items, it uses `settling`:

    def handle(batch: Batch) -> None:
        with batch.settling() as settling:
            for item in settling.items:
                write_something(settling.connection, item.key)

These writes happen exactly once: an item whose lease was lost is not among `settling.items`, and a transaction that is
not committed leaves the item open. Effects elsewhere, such as a call to a provider, happen at least once. No
transaction is open outside of `settling`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cdp.store import Connection, Store
from cdp.work import queue, schedule
from cdp.work.queue import Held
from cdp.work.states import Again, Backoff, Done, Failed, Item, Outcome, Retry, Settled, doubling, settle

Clock = Callable[[], datetime]
Chance = Callable[[], float]

DEFAULT_BACKOFF = doubling(timedelta(seconds=30), timedelta(hours=1), max_attempts=10)


@dataclass(frozen=True)
class Kind:
    """A kind of work.

    name: the name that its items are enqueued under.
    batch_size: the maximum number of items in a batch.
    lease: how long the handler may take for a batch, or until it renews; then another worker takes over.
    every: for recurring work, the time between two occurrences; finishing an item enqueues the next occurrence.
    """

    name: str
    handle: Callable[[Batch], None]
    batch_size: int = 100
    lease: timedelta = timedelta(minutes=1)
    backoff: Backoff = DEFAULT_BACKOFF
    every: timedelta | None = None


class Settling:
    """A transaction that settles items. Items without another outcome at its end are done.

    items: the items that the batch still holds; other workers have taken over the rest.
    """

    def __init__(self, connection: Connection, held: Sequence[Held]) -> None:
        self.connection = connection
        self.items = [one.item for one in held]
        self._held = held
        self._outcomes: dict[int, Outcome] = {}
        self._kept: set[int] = set()

    def retry(self, item: Item, error: str, at: datetime | None = None) -> None:
        """Record a failed attempt; the next one is at `at`, or after the kind's backoff.

        error: one line without personal data.
        """
        self._outcomes[item.seq] = Retry(error, at)

    def fail(self, item: Item, error: str) -> None:
        """Give up the item for good. error: one line without personal data."""
        self._outcomes[item.seq] = Failed(error)

    def again(self, item: Item, at: datetime) -> None:
        """Put the item back, because there is more to do or it is too early. No attempt is counted."""
        self._outcomes[item.seq] = Again(at)

    def keep(self, item: Item) -> None:
        """Leave the item to this worker: it is settled by a later transaction of the batch."""
        self._kept.add(item.seq)

    def outcomes(self) -> Iterator[tuple[Held, Outcome]]:
        settled = (one for one in self._held if one.item.seq not in self._kept)
        return ((one, self._outcomes.get(one.item.seq, Done())) for one in settled)

    @property
    def kept(self) -> Collection[int]:
        return self._kept


@dataclass
class Batch:
    """Items of one kind that this worker has claimed, in the order in which they fell due.

    now: when they were claimed, UTC.
    open: the items that are not settled yet.
    tally: the number of items by outcome: done, again, failed, or lost to another worker.
    """

    kind: Kind
    store: Store
    token: str
    items: Sequence[Item]
    now: datetime
    clock: Clock
    chance: Chance
    tally: Counter[str] = field(default_factory=Counter)
    open: list[Item] = field(init=False)

    def __post_init__(self) -> None:
        self.open = list(self.items)

    def part(self, items: Sequence[Item]) -> Batch:
        """A batch of some of the items, with the same tally."""
        return replace(self, items=items)

    @contextmanager
    def settling(self, items: Sequence[Item] | None = None) -> Iterator[Settling]:
        """A write transaction of the store that settles `items`, by default all open ones, when it commits."""
        chosen = list(self.open if items is None else items)
        with self.store.write() as connection:
            held = queue.hold(connection, self.token, chosen)
            settling = Settling(connection, held)
            yield settling
            written = self._write(settling)
        settled = {item.seq for item in chosen} - set(settling.kept)
        self.open = [item for item in self.open if item.seq not in settled]
        self.tally.update(["lost"] * (len(chosen) - len(held)))
        self.tally.update(type(to).__name__.lower() for _, to in written)

    def settle_rest(self) -> None:
        """Settle the items that are still open as done."""
        if self.open:
            with self.settling():
                pass

    def renew(self) -> None:
        """Restart the lease of open items. Items that were already lost are no longer open."""
        with self.store.write() as connection:
            held = queue.renew(connection, self.token, self.open, self.kind.lease, self.clock())
        self.tally.update(["lost"] * (len(self.open) - len(held)))
        self.open = list(held)

    def _write(self, settling: Settling) -> Sequence[tuple[Item, Settled]]:
        now = self.clock()
        settled = [
            (held, settle(held.item, outcome, self.kind.backoff, now, self.chance()))
            for held, outcome in settling.outcomes()
        ]
        written = queue.write_settled(settling.connection, settled, now)
        if self.kind.every:
            finished = [item for item, to in written if not isinstance(to, Again)]
            schedule.enqueue_next(settling.connection, finished, self.kind.every, now)
        return written
