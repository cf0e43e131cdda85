"""The queue: nothing is lost, leased items are not claimed twice, and the items due longest come first."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cdp.store import Store
from cdp.work.overview import KindStatus, failed_items, retry_failed, status_by_kind
from cdp.work.queue import Claim, claim, enqueue, enqueue_missing, hold, renew, write_settled
from cdp.work.states import Again, Done, Failed, Item, Settled, Task, state_at
from cdp.work.tables import work_items
from tests.cdp.store_urls import BACKENDS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=30)
FAR = timedelta(days=1)


def seconds(count: int) -> timedelta:
    return timedelta(seconds=count)


def put(store: Store, *tasks: Task, kind: str = "send", now: datetime = NOW) -> None:
    with store.write() as connection:
        enqueue(connection, kind, tasks, now)


def take(store: Store, limit: int = 100, *, kind: str = "send", now: datetime = NOW) -> Claim:
    with store.write() as connection:
        return claim(connection, kind, limit, LEASE, now)


def settle_all(store: Store, taken: Claim, to: Settled, now: datetime = NOW) -> list[Item]:
    """Settle the items of a claim; return those that it still held."""
    with store.write() as connection:
        held = hold(connection, taken.token, taken.items)
        write_settled(connection, [(one, to) for one in held], now)
    return [one.item for one in held]


def keys(items: Collection[Item]) -> list[str]:
    return [item.key for item in items]


def test_a_rolled_back_task_was_never_enqueued(store: Store) -> None:
    with suppress(ZeroDivisionError), store.write() as connection:
        enqueue(connection, "send", [Task("a")], NOW)
        raise ZeroDivisionError
    assert take(store).items == []


def test_items_are_claimed_in_order_of_due_time_and_never_early(store: Store) -> None:
    put(store, Task("late", not_before=NOW + FAR), Task("now"), Task("early", not_before=NOW - FAR))
    put(store, Task("other"), kind="sync")
    assert keys(take(store, 1).items) == ["early"]
    assert keys(take(store).items) == ["now"]
    assert keys(take(store, now=NOW + FAR).items) == ["early", "now", "late"]


def test_a_claimed_item_has_the_fields_of_its_task(store: Store) -> None:
    in_madrid = NOW.astimezone(tz=None)
    put(store, Task("Zoë 🦊", '{"a": "%s"}', in_madrid))
    [item] = take(store).items
    assert (item.kind, item.key, item.payload, item.attempts) == ("send", "Zoë 🦊", '{"a": "%s"}', 1)
    assert item.not_before == NOW


def test_a_waiting_key_is_one_item_and_a_done_key_can_be_enqueued_again(store: Store) -> None:
    put(store, Task("a", "first"))
    put(store, Task("a", "second"), Task("a", "third"))
    taken = take(store)
    assert [item.payload for item in taken.items] == ["third"]
    settle_all(store, taken, Done())
    put(store, Task("a", "fourth"))
    assert [item.payload for item in take(store).items] == ["fourth"]


def test_an_expired_lease_is_claimed_again_and_its_first_holder_settles_nothing(store: Store) -> None:
    put(store, Task("a"))
    slow = take(store)
    assert take(store, now=NOW + LEASE - seconds(1)).items == []
    quick = take(store, now=NOW + LEASE)
    assert [item.attempts for item in quick.items] == [2]
    assert settle_all(store, slow, Done()) == []
    assert keys(settle_all(store, quick, Done())) == ["a"]
    assert take(store, now=NOW + FAR).items == []


def test_a_lease_can_be_renewed_until_it_is_lost(store: Store) -> None:
    put(store, Task("a"), Task("b"))
    taken = take(store)
    soon = NOW + LEASE - seconds(1)
    with store.write() as connection:
        assert keys(renew(connection, taken.token, taken.items[:1], LEASE, soon)) == ["a"]
    assert keys(take(store, now=NOW + LEASE).items) == ["b"]
    with store.write() as connection:
        assert keys(renew(connection, taken.token, taken.items, LEASE, soon)) == ["a"]
        assert renew(connection, "another", taken.items, LEASE, soon) == []


def test_an_item_enqueued_while_in_progress_is_processed_once_more(store: Store) -> None:
    put(store, Task("a"))
    taken = take(store)
    put(store, Task("a"))
    settle_all(store, taken, Done())
    again = take(store)
    assert [(item.key, item.attempts) for item in again.items] == [("a", 1)]
    settle_all(store, again, Done())
    assert take(store, now=NOW + FAR).items == []


def test_a_waiting_item_is_brought_forward_but_never_put_off(store: Store) -> None:
    put(store, Task("a", "first", NOW + FAR))
    put(store, Task("a", "second", NOW + seconds(5)))
    put(store, Task("a", "third", NOW + seconds(9)))
    assert take(store, now=NOW + seconds(4)).items == []
    assert [item.payload for item in take(store, now=NOW + seconds(5)).items] == ["third"]


def test_an_item_enqueued_while_in_progress_keeps_what_was_asked_last(store: Store) -> None:
    put(store, Task("a", "first"))
    taken = take(store)
    put(store, Task("a", "second", NOW + seconds(9)), Task("a", "third", NOW + FAR))
    settle_all(store, taken, Done())
    assert take(store, now=NOW + seconds(8)).items == []
    assert [item.payload for item in take(store, now=NOW + seconds(9)).items] == ["third"]


def test_what_is_enqueued_while_in_progress_wakes_an_item_that_its_handler_puts_off(store: Store) -> None:
    put(store, Task("a"))
    taken = take(store)
    put(store, Task("a"))
    settle_all(store, taken, Again(NOW + FAR))
    assert keys(take(store).items) == ["a"]


@pytest.mark.parametrize("is_claimed", [True, False])
def test_nobody_shortens_the_wait_after_a_failed_attempt(store: Store, is_claimed: bool) -> None:
    put(store, Task("a"))
    taken = take(store)
    for asks in (is_claimed, not is_claimed):
        if asks:
            put(store, Task("a", "second"))
        settle_all(store, taken, Again(NOW + seconds(9), 1, "no answer"))
    assert take(store, now=NOW + seconds(8)).items == []
    assert [item.payload for item in take(store, now=NOW + seconds(9)).items] == ["second"]


def test_a_kind_has_a_name_and_a_time_has_a_zone(store: Store) -> None:
    with pytest.raises(ValueError, match="kind"):
        put(store, Task("a"), kind="")
    with pytest.raises(ValueError, match="zone"):
        put(store, Task("a", not_before=datetime(2026, 11, 20)))  # noqa: DTZ001
    with store.write() as connection, pytest.raises(sa.exc.StatementError, match="zone"):
        connection.execute(work_items.update().values(not_before=datetime(2026, 11, 20)))  # noqa: DTZ001
    assert take(store, now=NOW + FAR).items == []


def test_the_claim_after_a_lost_lease_covers_what_was_enqueued_again(store: Store) -> None:
    put(store, Task("a"))
    take(store)
    put(store, Task("a"))
    settle_all(store, take(store, now=NOW + LEASE), Done())
    assert take(store, now=NOW + FAR).items == []


def test_enqueue_missing_ignores_items_in_progress(store: Store) -> None:
    put(store, Task("a"))
    taken = take(store)
    with store.write() as connection:
        enqueue_missing(connection, "send", [Task("a"), Task("b")], NOW)
    settle_all(store, taken, Done())
    assert keys(take(store).items) == ["b"]


def test_failed_items_are_kept_with_their_error_and_retried_on_request(store: Store) -> None:
    for reason in ("no answer", "the address is gone"):
        put(store, Task("a"))
        settle_all(store, take(store), Failed(reason), NOW)
    put(store, Task("b"))
    settle_all(store, take(store), Failed("no answer"), NOW + seconds(1))
    put(store, Task("b"))
    with store.read() as connection:
        assert [(one.key, one.error) for one in failed_items(connection, "send", 2)] == [
            ("b", "no answer"),
            ("a", "the address is gone"),
        ]
        assert failed_items(connection, "sync", 2) == []
    with store.write() as connection:
        assert retry_failed(connection, "sync", NOW) == 0
        # Of two items with one key, one is retried, and none whose key is already waiting.
        assert retry_failed(connection, None, NOW) == 1
    assert [(item.key, item.attempts) for item in take(store).items] == [("a", 1), ("b", 1)]


def test_status_counts_by_kind_and_state(store: Store) -> None:
    put(store, Task("a", not_before=NOW - seconds(9)), Task("b"), Task("c", not_before=NOW + FAR))
    take(store, 1)
    put(store, Task("d", not_before=NOW - seconds(5)))
    put(store, Task("a"), kind="sync")
    settle_all(store, take(store, kind="sync"), Failed("no answer"))
    put(store, Task("a"), kind="done")
    settle_all(store, take(store, kind="done"), Done())
    with store.read() as connection:
        assert status_by_kind(connection, NOW) == [
            KindStatus("send", waiting=1, due=2, leased=1, failed=0, oldest_due_at=NOW - seconds(5)),
            KindStatus("sync", waiting=0, due=0, leased=0, failed=1, oldest_due_at=None),
        ]


def test_concurrent_claims_get_different_items(store: Store) -> None:
    put(store, *(Task(f"{number:03}") for number in range(200)))
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: take(store, 7), range(40)))
    claimed = [item.key for one in claims for item in one.items]
    assert len(claimed) == len(set(claimed)) == 200


# SQLite has one writer at a time.
on_postgresql = pytest.mark.parametrize("store_url", BACKENDS[1:], indirect=True)


@on_postgresql
def test_an_uncommitted_claim_blocks_no_other_claim(store: Store) -> None:
    put(store, Task("a"), Task("b"))
    with store.write() as connection:
        first = claim(connection, "send", 1, LEASE, NOW)
        assert keys(take(store).items) == ["b"]
    assert keys(first.items) == ["a"]


@on_postgresql
def test_an_uncommitted_cause_blocks_completion_of_its_item(store: Store) -> None:
    """Otherwise a worker could read the data before the cause, and finish the item of the cause."""
    put(store, Task("a"))
    with store.write() as connection:
        enqueue(connection, "send", [Task("a")], NOW)
        assert take(store).items == []
    assert keys(take(store).items) == ["a"]


@dataclass
class Known:
    """An open item in the model."""

    not_before: datetime
    number: int
    attempts: int = 0
    token: str | None = None
    lease_until: datetime | None = None
    asked_again_for: datetime | None = None

    def enqueue(self, at: datetime) -> None:
        if self.token:
            self.asked_again_for = min(at, self.asked_again_for or at)
        elif not self.attempts:
            self.not_before = min(at, self.not_before)

    def give_back(self, at: datetime, attempts: int) -> None:
        self.not_before, self.attempts = at, attempts
        self.token, self.lease_until, self.asked_again_for = None, None, None


KEYS = st.sampled_from("abc")
KINDS = st.sampled_from(["send", "sync"])
DELAYS = st.integers(-20, 60).map(seconds)


@dataclass
class Model:
    """A simple model of the queue: open items by kind and key."""

    now: datetime = NOW
    open: dict[tuple[str, str], Known] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    done: int = 0
    failed: int = 0

    def enqueue(self, kind: str, key: str, not_before: datetime) -> None:
        if known := self.open.get((kind, key)):
            known.enqueue(not_before)
        else:
            self.open[kind, key] = Known(not_before, next(self.numbers))

    def state(self, known: Known) -> str:
        return state_at(self.now, known.not_before, known.lease_until, None)

    def first_due(self, kind: str, limit: int) -> list[str]:
        due = [
            (one.not_before, one.number, key)
            for (of, key), one in self.open.items()
            if of == kind and self.state(one) == "due"
        ]
        return [key for _, _, key in sorted(due)[:limit]]

    def settle(self, kind: str, key: str, to: Settled) -> None:
        known = self.open[kind, key]
        if isinstance(to, Again):
            asked_for = to.at if to.error else known.asked_again_for or to.at
            known.give_back(min(to.at, asked_for), to.attempts)
        elif known.asked_again_for:
            known.give_back(known.asked_again_for, 0)
        else:
            del self.open[kind, key]
            self.done += isinstance(to, Done)
            self.failed += isinstance(to, Failed)


class QueueMachine(RuleBasedStateMachine):
    """Causes, workers that live and die, and a clock, in any order; the queue must behave like the model."""

    claims = Bundle("claims")

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.model = Model()
        with store.write() as connection:
            connection.execute(work_items.delete())

    @rule(
        kind=KINDS,
        tasks=st.lists(st.tuples(KEYS, DELAYS), max_size=4, unique_by=lambda task: task[0]),
        commits=st.booleans(),
    )
    def cause(self, kind: str, tasks: Sequence[tuple[str, timedelta]], commits: bool) -> None:
        with suppress(ZeroDivisionError), self.store.write() as connection:
            enqueue(connection, kind, [Task(key, None, self.model.now + delay) for key, delay in tasks], self.model.now)
            assert commits or 1 / 0
        for key, delay in sorted(tasks) if commits else ():
            self.model.enqueue(kind, key, self.model.now + delay)

    @rule(by=st.sampled_from([1, 15, 30, 45]))
    def time_passes(self, by: int) -> None:
        self.model.now += seconds(by)

    @rule(target=claims, kind=KINDS, limit=st.integers(1, 4))
    def worker_claims(self, kind: str, limit: int) -> Claim:
        expected = self.model.first_due(kind, limit)
        taken = take(self.store, limit, kind=kind, now=self.model.now)
        assert keys(taken.items) == expected
        for item in taken.items:
            known = self.model.open[kind, item.key]
            known.attempts += 1
            known.token, known.lease_until, known.asked_again_for = taken.token, self.model.now + LEASE, None
            assert (item.attempts, item.not_before) == (known.attempts, known.not_before)
        return taken

    @rule(
        taken=claims,
        count=st.integers(1, 4),
        to=st.sampled_from(["done", "failed", "again", "retry"]),
        dies=st.booleans(),
    )
    def worker_settles(self, taken: Claim, count: int, to: str, dies: bool) -> None:
        chosen = taken.items[:count]
        with suppress(ZeroDivisionError), self.store.write() as connection:
            held = hold(connection, taken.token, chosen)
            assert [one.item for one in held] == self._held(taken, chosen)
            settled = [(one, self._outcome(to, one.item)) for one in held]
            write_settled(connection, settled, self.model.now)
            assert not dies or 1 / 0
        for one, outcome in () if dies else settled:
            self.model.settle(one.item.kind, one.item.key, outcome)

    def _held(self, taken: Claim, items: Sequence[Item]) -> list[Item]:
        owners = {place: known.token for place, known in self.model.open.items()}
        return [item for item in items if owners.get((item.kind, item.key)) == taken.token]

    def _outcome(self, to: str, item: Item) -> Settled:
        if to == "done":
            return Done()
        if to == "failed":
            return Failed("no answer")
        at = self.model.now + seconds(15)
        return Again(at, item.attempts, "no answer") if to == "retry" else Again(at)

    @rule(taken=claims)
    def worker_renews(self, taken: Claim) -> None:
        with self.store.write() as connection:
            renewed = renew(connection, taken.token, taken.items, LEASE, self.model.now)
        assert renewed == self._held(taken, taken.items)
        for item in renewed:
            self.model.open[item.kind, item.key].lease_until = self.model.now + LEASE

    @invariant()
    def counts_agree(self) -> None:
        counted = {(kind, state): 0 for kind in ("send", "sync") for state in ("waiting", "due", "leased")}
        for (kind, _), known in self.model.open.items():
            counted[kind, self.model.state(known)] += 1
        with self.store.read() as connection:
            status = {one.kind: one for one in status_by_kind(connection, self.model.now)}
            outcomes = dict(
                connection.execute(sa.select(work_items.c.outcome, sa.func.count()).group_by("outcome")).all()
            )
        for (kind, state), count in counted.items():
            assert (getattr(status[kind], state) if kind in status else 0) == count
        assert (outcomes.get("done", 0), outcomes.get("failed", 0)) == (self.model.done, self.model.failed)

    def teardown(self) -> None:
        """In the end, a remaining worker completes everything."""
        self.model.now += FAR
        for kind in ("send", "sync"):
            left = {key for of, key in self.model.open if of == kind}
            taken = take(self.store, kind=kind, now=self.model.now)
            assert set(keys(taken.items)) == left
            assert settle_all(self.store, taken, Done(), self.model.now) == taken.items


def in_a_hurry(store: Store) -> None:
    """Commits need not survive a power cut."""

    def _hurry(connection: Any, _record: object) -> None:
        statement = "pragma synchronous = off" if store.is_embedded else "set synchronous_commit = off"
        connection.cursor().execute(statement)
        connection.commit()

    store.engine.dispose()
    sa.event.listen(store.engine, "connect", _hurry)


@pytest.mark.slow
def test_nothing_is_lost_or_claimed_twice(store: Store) -> None:
    in_a_hurry(store)
    run_state_machine_as_test(
        lambda: QueueMachine(store), settings=settings(max_examples=30, stateful_step_count=30, deadline=None)
    )
