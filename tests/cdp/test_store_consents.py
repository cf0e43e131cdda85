"""The consent ledger and suppressions in the store."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.consent import ContactPoint, Lift, Statement, Suppression, effects_of
from cdp.consent.ledger import (
    apply_effects,
    contact_points_of,
    entries_of,
    find_contact_point,
    keep_contact_points,
    known_entry_ids,
    lift,
    record,
    suppress,
    suppressions_of,
    verify,
)
from cdp.consent.tables import consent_ledger, contact_points, suppressions
from cdp.people.tables import identifiers, live_identifiers
from cdp.store import Store, open_store

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ANN, BOB = ContactPoint("email", "ann@example.com"), ContactPoint("email", "bob@example.com")


def stated(state: str, point: ContactPoint = ANN, *, hours: float = 0, entry_id: str | None = None) -> Statement:
    return Statement(
        contact_point_id=point.id,
        contact_point_type=point.type,
        channel="email",
        purpose="marketing",
        state=state,
        occurred_at=NOW + timedelta(hours=hours),
        source="test",
        actor="test",
        evidence={"method": "form", "notice_id": "é"},
        entry_id=entry_id,
    )


def recorded(store: Store, *statements: Statement) -> list[str]:
    with store.write() as connection:
        return [entry.entry_id for entry in record(connection, statements, NOW)]


def broken(store: Store) -> int | None:
    with store.read() as connection:
        found = verify(connection).broken
    return found.seq if found else None


def test_entries_come_back_as_they_were_recorded(store: Store) -> None:
    with store.write() as connection:
        first, second = record(connection, [stated("granted"), stated("withdrawn", BOB)], NOW)
        record(connection, [], NOW)
    with store.read() as connection:
        assert entries_of(connection, [ANN.id, BOB.id]) == [first, second]
        assert entries_of(connection, [BOB.id]) == [second]
        assert entries_of(connection, []) == []
    assert (first.seq, second.seq, first.previous_hash, second.previous_hash) == (1, 2, None, first.entry_hash)
    assert (first.evidence, first.occurred_at, first.recorded_at) == ('{"method":"form","notice_id":"é"}', NOW, NOW)


def test_as_of_excludes_entries_that_occurred_later(store: Store) -> None:
    recorded(store, stated("granted"), stated("withdrawn", hours=2))
    with store.read() as connection:
        found = entries_of(connection, [ANN.id], as_of=NOW + timedelta(hours=1))
    assert [entry.state for entry in found] == ["granted"]


def test_a_statement_with_a_known_id_is_recorded_once(store: Store) -> None:
    once, again = stated("granted", entry_id="x"), stated("withdrawn", entry_id="x")
    assert recorded(store, once, again) == ["x", "x"]
    assert recorded(store, again, stated("denied", entry_id="y")) == ["x", "y"]
    with store.read() as connection:
        assert [entry.state for entry in entries_of(connection, [ANN.id])] == ["granted", "denied"]
        assert known_entry_ids(connection)["entry_id"].to_list() == ["x", "y"]
    assert broken(store) is None


def test_without_an_id_every_statement_is_a_new_one(store: Store) -> None:
    assert len(set(recorded(store, stated("granted"), stated("granted")))) == 2


def test_a_transaction_that_fails_leaves_no_gap(store: Store) -> None:
    recorded(store, stated("granted"))
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        record(connection, [stated("withdrawn")], NOW)
        raise ZeroDivisionError
    recorded(store, stated("denied"))
    assert broken(store) is None


@pytest.mark.parametrize("count", [999, 2_500])
def test_entries_recorded_in_bulk_form_one_chain(store: Store, count: int) -> None:
    statements = [stated("granted", entry_id=f"e{number}", hours=number) for number in range(count)]
    recorded(store, statements[0])
    assert recorded(store, *statements) == [f"e{number}" for number in range(count)]
    with store.read() as connection:
        found = verify(connection)
        last = entries_of(connection, [ANN.id])[-1]
    assert (found.broken, found.entry_count, found.head_hash) == (None, count, last.entry_hash)
    assert last.occurred_at == NOW + timedelta(hours=count - 1)


def _append(url: str, worker: int, count: int) -> None:
    store = open_store(url)
    for number in range(count):
        recorded(store, stated("granted", hours=number, entry_id=f"{worker}-{number}"))
    store.close()


@pytest.mark.slow
def test_concurrent_workers_form_one_chain(store_url: str) -> None:
    open_store(store_url).close()
    fork = multiprocessing.get_context("spawn")
    workers = [fork.Process(target=_append, args=(store_url, worker, 25)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store = open_store(store_url)
    with store.read() as connection:
        found = verify(connection)
    store.close()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert (found.entry_count, found.broken) == (100, None)


@pytest.fixture
def ledger(store: Store) -> Iterator[Store]:
    recorded(store, *(stated("granted", hours=number, entry_id=f"e{number}") for number in range(1, 8)))
    assert broken(store) is None
    yield store


@pytest.mark.parametrize(
    ("tampering", "seq"),
    [
        ("update consent_ledger set state = 'denied' where seq = 3", 3),
        ("update consent_ledger set evidence = null where seq = 7", 7),
        ("update consent_ledger set occurred_at = '2026-07-01 11:00:00.000000' where seq = 1", 1),
        ("update consent_ledger set contact_point_id = 'cpt_' where seq = 2", 2),
        ("update consent_ledger set entry_hash = previous_hash where seq = 4", 4),
        ("update consent_ledger set previous_hash = null where seq = 5", 5),
        ("delete from consent_ledger where seq = 1", 1),
        ("delete from consent_ledger where seq = 4", 4),
        ("delete from consent_ledger where seq = 7", 7),
        ("delete from consent_ledger where seq >= 5", 5),
        ("delete from consent_ledger", 1),
        ("delete from consent_ledger where seq = 6; update consent_ledger set seq = 6 where seq = 7", 6),
        ("update consent_ledger set seq = 99 where seq = 2; update consent_ledger set seq = 2 where seq = 3", 2),
        (
            "insert into consent_ledger select 8, 'e8', contact_point_id, contact_point_type, channel, purpose, topic, "
            "state, scope, basis, occurred_at, recorded_at, source, actor, evidence, entry_hash, entry_hash "
            "from consent_ledger where seq = 7",
            8,
        ),
        ("update ledger_heads set seq = 6", 7),
        ("update ledger_heads set seq = 9", 8),
        ("delete from ledger_heads", 1),
    ],
)
def test_tampering_with_the_ledger_is_detected(ledger: Store, tampering: str, seq: int) -> None:
    with ledger.write() as connection:
        for statement in tampering.split(";"):
            connection.execute(sa.text(statement))
    assert broken(ledger) == seq


def test_a_check_is_not_disturbed_by_a_concurrent_append(ledger: Store) -> None:
    with ledger.read() as reader:
        before = verify(reader)
        recorded(ledger, stated("withdrawn"))
        assert before.broken is None
    assert broken(ledger) is None


def stop(hours: float = 0) -> Suppression:
    return Suppression(ANN.id, "sms", "stop", "twilio", NOW + timedelta(hours=hours), entry_id=f"e{hours}")


def start(hours: float) -> Lift:
    return Lift(ANN.id, "sms", "stop", "twilio", NOW + timedelta(hours=hours))


def change(store: Store, *changes: Suppression | Lift) -> None:
    for each in changes:
        with store.write() as connection:
            if isinstance(each, Suppression):
                suppress(connection, [each], NOW)
            else:
                lift(connection, [each], NOW)


def is_suppressed(store: Store, hours: float = 99) -> bool:
    with store.read() as connection:
        found = suppressions_of(connection, [ANN.id])
    return any(each.is_active(NOW + timedelta(hours=hours)) for each in found)


@pytest.mark.parametrize(
    ("changes", "suppressed"),
    [
        ([stop(1)], True),
        ([stop(1), start(2)], False),
        ([stop(1), start(2), stop(3)], True),
        ([start(2), stop(1)], False),
        ([stop(3), stop(1), start(2)], True),
        ([start(2)], False),
        ([stop(1), start(1)], True),
    ],
)
def test_a_start_lifts_an_earlier_stop(store: Store, changes: list[Suppression | Lift], suppressed: bool) -> None:
    change(store, *changes, *changes[:1])
    assert is_suppressed(store) == suppressed


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.permutations([stop(1), stop(4), start(2), start(3), start(6)]))
def test_stops_and_starts_may_arrive_in_any_order(store: Store, changes: list[Suppression | Lift]) -> None:
    with store.write() as connection:
        connection.execute(sa.delete(suppressions))
    change(store, *changes)
    with store.read() as connection:
        (found,) = suppressions_of(connection, [ANN.id])
    assert (found.occurred_at, found.lifted_at, found.entry_id) == (
        NOW + timedelta(hours=4),
        NOW + timedelta(hours=6),
        "e4",
    )


def test_an_arrival_lifts_a_bounce_and_is_not_stored_otherwise(store: Store) -> None:
    bounce = Suppression(ANN.id, "email", "hard_bounce", "sendgrid", NOW)
    arrival = Lift(ANN.id, "email", "hard_bounce", "sendgrid", NOW + timedelta(hours=1))
    change(store, arrival)
    with store.read() as connection:
        assert suppressions_of(connection, [ANN.id]) == []
    change(store, bounce, arrival)
    assert not is_suppressed(store)
    assert is_suppressed(store, hours=0.5)


def test_suppressions_of_different_reasons_are_independent(store: Store) -> None:
    complaint = Suppression(ANN.id, "sms", "complaint", "twilio", NOW)
    change(store, stop(1), complaint, start(2))
    assert is_suppressed(store)


def test_effects_are_applied_once(store: Store) -> None:
    event = {
        **{"source": "sendgrid", "event_id": "e" * 32, "channel": "email", "event_type": "complained"},
        **{"occurred_at": NOW, "email": ANN.value},
    }
    for _ in range(2):
        with store.write() as connection:
            apply_effects(connection, effects_of([event, event]), NOW)
    with store.read() as connection:
        assert [(entry.entry_id, entry.state) for entry in entries_of(connection, [ANN.id])] == [
            ("e" * 32, "withdrawn")
        ]
        assert [each.reason for each in suppressions_of(connection, [ANN.id])] == ["complaint"]
        assert find_contact_point(connection, ANN.id) == ANN
        assert find_contact_point(connection, BOB.id) is None


def test_the_ledger_holds_no_addresses(store: Store) -> None:
    with store.write() as connection:
        keep_contact_points(connection, [ANN, ANN, BOB])
        keep_contact_points(connection, [ANN])
        record(connection, [stated("granted")], NOW)
        connection.execute(sa.delete(contact_points))
        assert ANN.value not in str(connection.execute(sa.select(consent_ledger)).all())
    assert broken(store) is None


def test_a_profile_has_published_and_live_contact_points(store: Store) -> None:
    with store.write() as connection:
        connection.execute(identifiers.insert().values(type="email", value=ANN.value, profile_id="p"))
        live = {"type": "email", "value": BOB.value, "profile_id": "p", "inbox_seq": 1}
        connection.execute(live_identifiers.insert().values(live))
        connection.execute(live_identifiers.insert().values(live | {"value": ANN.value}))
        assert contact_points_of(connection, "p") == [ANN, BOB]
        assert contact_points_of(connection, "q") == []
