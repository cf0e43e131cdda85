"""The runner: claims due items, kind by kind and batch by batch, and has them handled."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread
from types import TracebackType

import structlog

from cdp.errors import CdpError
from cdp.store import Store
from cdp.work import queue, schedule
from cdp.work.handling import Batch, Chance, Clock, Kind
from cdp.work.schedule import next_occurrence

POLL_SECONDS = 0.2
# The pause after each batch on SQLite: waiting writers poll, and would rarely find the store free between two batches.
SECONDS_FOR_OTHERS = 0.005
# Between two looks at the schedule: only a clock that was set wrong makes work for it after the first.
RESCHEDULE = timedelta(minutes=10)
# How far the clocks of two machines may be apart.
LONGEST_SKEW = timedelta(minutes=5)
# The pause after an error, such as an unreachable store.
SECONDS_AFTER_AN_ERROR = 5.0

Tally = Mapping[str, Counter[str]]


class Runner:
    """Processes items of `kinds`. It is stateless, so several threads can share one runner.

    clock: returns the current UTC time.
    chance: returns random numbers from 0 to 1, for jitter.
    """

    def __init__(
        self,
        store: Store,
        kinds: Sequence[Kind],
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        chance: Chance = random.random,
    ) -> None:
        self._store = store
        self._kinds = {kind.name: kind for kind in kinds}
        self._clock = clock
        self._log = log
        self._chance = chance

    def run(self, stop: Event) -> None:
        """Process items until `stop` is set; the current batch is finished first."""
        scheduled_at: datetime | None = None
        while not stop.is_set():
            try:
                # The clock may have been set back.
                if scheduled_at is None or abs(self._clock() - scheduled_at) > RESCHEDULE:
                    scheduled_at = self.schedule()
                is_idle = not self.turn(stop)
            except CdpError as error:
                self._log.warning("work interrupted", error=error.line())
                stop.wait(SECONDS_AFTER_AN_ERROR)
            else:
                if is_idle:
                    stop.wait(POLL_SECONDS * (0.5 + self._chance()))

    def drain(self, stop: Event | None = None) -> Tally:
        """Process items until none is due; return the outcomes by kind.

        Raises:
            Unavailable: the store is out of reach; items settled before stay settled.
        """
        stop = stop or Event()
        self.schedule()
        total: dict[str, Counter[str]] = {}
        while not stop.is_set() and (tally := self.turn(stop)):
            for kind, counts in tally.items():
                total.setdefault(kind, Counter()).update(counts)
        return total

    def schedule(self) -> datetime:
        """Make sure that each recurring kind has an open occurrence and no wrong clock holds up work; the time now."""
        now = self._clock()
        with self._store.write() as connection:
            for kind in self._kinds.values():
                schedule.limit_leases(connection, kind.name, now + kind.lease + LONGEST_SKEW)
                if kind.every:
                    schedule.enqueue_first(connection, kind.name, now)
                    longest = max((kind.every, *kind.backoff.delays))
                    schedule.bring_forward(connection, kind.name, now + longest, next_occurrence(now, kind.every))
        return now

    def turn(self, stop: Event) -> Tally:
        """Process one batch of each kind with due items, so that no kind holds up the others."""
        with self._store.read() as connection:
            due = queue.due_kinds(connection, self._kinds, self._clock())
        tally = {}
        for name in due:
            if stop.is_set():
                break
            batch = self._claim(self._kinds[name])
            # Another worker may have claimed the items first.
            if batch.items:
                self._work_on(batch)
                tally[name] = batch.tally
            if self._store.is_embedded:
                stop.wait(SECONDS_FOR_OTHERS)
        return tally

    def _claim(self, kind: Kind) -> Batch:
        now = self._clock()
        with self._store.write() as connection:
            claim = queue.claim(connection, kind.name, kind.batch_size, kind.lease, now)
        return Batch(kind, self._store, claim.token, claim.items, now, self._clock, self._chance)

    def _work_on(self, batch: Batch) -> None:
        allowed = batch.kind.backoff.max_attempts
        self._give_up(batch.part([item for item in batch.items if item.attempts > allowed]))
        self._handle(batch.part([item for item in batch.items if item.attempts <= allowed]))

    def _give_up(self, batch: Batch) -> None:
        """Fail items that have no attempts left: in each, the worker died or was too slow to settle them."""
        if batch.items:
            with batch.settling() as settling:
                for item in settling.items:
                    settling.fail(item, _NEVER_SETTLED)

    def _handle(self, batch: Batch) -> None:
        if not batch.items:
            return
        attempt = _Attempt()
        with attempt:
            batch.kind.handle(batch)
            batch.settle_rest()
        if attempt.error:
            self._log.debug("handler raised", kind=batch.kind.name, exc_info=attempt.error)
            self._after_error(batch, attempt.error)

    def _after_error(self, batch: Batch, error: Exception | SystemExit) -> None:
        if len(batch.open) > 1:
            # A bad item must not fail the others.
            for item in tuple(batch.open):
                alone = batch.part([item])
                # The lease may have run out during the others, and another worker have taken the item.
                alone.renew()
                if alone.open:
                    self._handle(alone)
            return
        line = _line(error)
        if not batch.open:
            self._log.warning("error after the last item", kind=batch.kind.name, error=line)
            return
        with batch.settling() as settling:
            for item in settling.items:
                settling.retry(item, line)
                # Keys and payloads may identify a person, so they are not logged.
                self._log.warning("attempt failed", kind=item.kind, item=item.seq, attempts=item.attempts, error=line)


@contextmanager
def running(runner: Runner) -> Iterator[None]:
    """Run the runner in a thread until the end of the block; the thread then finishes its batch."""
    stop = Event()
    thread = Thread(target=runner.run, args=(stop,), name="work")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


_NEVER_SETTLED = "the worker died or exceeded the lease in each attempt"


class _Attempt:
    """Catches any exception of a handler, and its exit: they end the attempt, not the worker."""

    error: Exception | SystemExit | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        self.error = error if isinstance(error, Exception | SystemExit) else None
        return self.error is not None


def _line(error: Exception | SystemExit) -> str:
    """An error as one line without personal data. Messages of foreign exceptions may quote values."""
    return error.line() if isinstance(error, CdpError) else f"internal error: {type(error).__name__}"
