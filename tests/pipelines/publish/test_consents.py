"""What logs say of consent and of addresses that fail, in the ledger and the suppressions after a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdp.consent import Entry, contact_point_id, effects_of
from cdp.consent.ledger import apply_effects, entries_of, suppressions_of, verify
from cdp.live import LiveItem, Receiver
from cdp.settings import Settings
from cdp.store import Store, open_store
from cdp.warehouse import open_published
from pipelines.publish.consents import record_consents
from tests.cdp.providers.test_telegram import member, message
from tests.pipelines.runs import NOW, run, sendgrid, write_contacts, write_lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ungated")]

ANN, BEN = (contact_point_id("email", f"{name}@shop.example") for name in ("ann", "ben"))


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def sms(words: str, *, days: float) -> dict[str, str]:
    """An inbound message as Twilio's webhook gives it."""
    at = days_ago(days).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "MessageSid": f"SM{words}{days}",
        "From": "+12025550101",
        "To": "+12025550199",
        "Body": words,
        "Timestamp": at,
    }


def entries(store: Store, *points: str) -> list[Entry]:
    with store.read() as connection:
        assert verify(connection).broken is None
        return entries_of(connection, points)


def suppressed(store: Store, *points: str) -> list[str]:
    with store.read() as connection:
        found = suppressions_of(connection, points)
    return [f"{each.channel} {each.reason}" for each in found if each.is_active(NOW)]


def test_consents_of_a_file_reach_the_ledger_once(settings: Settings, store: Store, tmp_path: Path) -> None:
    people = write_contacts(tmp_path / "in")
    for _ in range(2):
        run(settings, people)
        assert [(entry.state, entry.source, entry.contact_point_type) for entry in entries(store, ANN, BEN)] == [
            ("granted", "crm", "email"),
            ("denied", "crm", "email"),
        ]
    run(settings, people, full=True)
    assert len(entries(store, ANN, BEN)) == 2


HARD = {"type": "bounce", "reason": "550 5.1.1 no such user <ann@shop.example>", "status": "5.1.1"}


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([sendgrid("bounce", at=days_ago(3), **HARD)], ["email hard_bounce"]),
        ([sendgrid("bounce", at=days_ago(3), type="blocked")], []),
        ([sendgrid("bounce", at=days_ago(3), **HARD), sendgrid("delivered", at=days_ago(2))], []),
        ([sendgrid("delivered", at=days_ago(4)), sendgrid("bounce", at=days_ago(3), **HARD)], ["email hard_bounce"]),
        (
            [
                sendgrid("bounce", at=days_ago(3), **HARD),
                sendgrid("open", at=days_ago(2), sg_machine_open=True),
            ],
            ["email hard_bounce"],
        ),
        ([sendgrid("spamreport", at=days_ago(3)), sendgrid("click", at=days_ago(2))], ["email complaint"]),
        ([sendgrid("unsubscribe", at=days_ago(3))], []),
    ],
)
def test_what_happens_to_an_address_suppresses_it(
    settings: Settings, store: Store, tmp_path: Path, log: Sequence[Any], expected: list[str]
) -> None:
    run(settings, write_lines(tmp_path / "in" / "sendgrid.jsonl", log))
    assert suppressed(store, ANN) == expected
    with store.read() as connection:
        dump = str([vars(each) for each in suppressions_of(connection, [ANN])])
    assert "shop.example" not in dump + str(entries(store, ANN))


def test_stop_and_start_count_as_they_were_sent_whichever_file_comes_first(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    phone = contact_point_id("phone", "+12025550101")
    for name, (words, days), expected in (
        ("a", ("START", 2), []),
        ("b", ("STOP", 3), []),
        ("c", ("STOP", 1), ["sms stop"]),
    ):
        run(settings, write_lines(tmp_path / name / f"twilio_{name}.jsonl", [sms(words, days=days)]))
        assert suppressed(store, phone) == expected
    assert [entry.state for entry in entries(store, phone)] == ["granted", "withdrawn", "withdrawn"]


def test_a_bot_that_was_blocked_in_a_log_writes_no_more_until_it_is_started_again(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    chat = contact_point_id("telegram_chat", "1111111")

    def at(days: float, update: dict[str, Any]) -> dict[str, Any]:
        seconds = int(days_ago(days).timestamp())
        told = {
            name: {**value, "date": seconds, "message_id": seconds}
            for name, value in update.items()
            if name != "update_id"
        }
        return {"update_id": seconds, **told}

    for name, updates, expected in (
        ("a", [at(5, message("/start")), at(3, member("kicked"))], ["telegram stop"]),
        ("b", [at(2, member("member", "kicked"))], []),
        ("c", [at(1, message("/start"))], []),
    ):
        run(settings, write_lines(tmp_path / name / f"telegram_{name}.jsonl", updates))
        assert suppressed(store, chat) == expected
    assert [(entry.purpose, entry.state) for entry in entries(store, chat)] == [
        ("marketing", "granted"),
        ("marketing", "withdrawn"),
        ("transactional", "granted"),
        ("marketing", "granted"),
    ]


def test_what_came_in_live_is_not_recorded_again(settings: Settings, store: Store, tmp_path: Path) -> None:
    events = [
        sendgrid("spamreport", "ann@shop.example", at=days_ago(3)),
        sendgrid("group_unsubscribe", "ben@shop.example", at=days_ago(3), asm_group_id=7),
        sendgrid("bounce", "ben@shop.example", at=days_ago(2), **HARD),
    ]
    receiver = Receiver(settings, store)
    receiver.receive("sendgrid", [LiveItem(event["sg_event_id"], event) for event in events], NOW)
    receiver.close()
    live, reasons = entries(store, ANN, BEN), suppressed(store, ANN, BEN)
    assert [(entry.state, entry.scope, entry.topic) for entry in live] == [
        ("withdrawn", "channel", None),
        ("withdrawn", "topic", "7"),
    ]
    assert sorted(reasons) == ["email complaint", "email hard_bounce"]
    run(settings, write_lines(tmp_path / "in" / "sendgrid.jsonl", events))
    assert entries(store, ANN, BEN) == live
    assert suppressed(store, ANN, BEN) == reasons


EVERYTHING = """
select coalesce(e.source, c.source) as source, e.event_id, e.channel, e.event_type, e.occurred_at, e.is_machine,
    e.message_ref, e.properties::varchar as properties, c.consent_id, c.channel as consent_channel,
    c.purpose as consent_purpose, c.topic as consent_topic, c.state as consent_state, c.scope as consent_scope,
    c.basis as consent_basis, c.method as consent_method, c.occurred_at as consent_at,
    o.email, o.phone, o.device_token, o.customer_id, o.anonymous_id, unnest(platform_ids_of(o.external_ids))
from conformed.events e
full join conformed.consents c on c.source = e.source and c.observation_id = e.observation_id
    and c.channel = e.channel and c.occurred_at = e.occurred_at
join conformed.observations o on o.observation_id = coalesce(e.observation_id, c.observation_id)
order by e.event_type in ('delivered', 'opened', 'clicked', 'replied')
"""


def test_of_the_sample_nothing_that_counts_is_passed_over(tmp_path: Path, settings: Settings, store: Store) -> None:
    """A run asks for what has an effect and is the latest; all events and consents, one by one, amount to the same."""
    run(settings, settings.sample)
    warehouse = open_published(settings)
    other = open_store(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with other.write() as connection:
        apply_effects(connection, effects_of(warehouse.query(EVERYTHING).iter_rows(named=True)), NOW)
    assert everything_in(store) == everything_in(other)
    assert len(everything_in(store)) > 1_000
    record_consents(warehouse, store, NOW)
    assert everything_in(store) == everything_in(other)
    warehouse.close()
    other.close()


def everything_in(store: Store) -> set[tuple[Any, ...]]:
    """The ledger's statements and the suppressions, without when and why they were recorded."""
    queries = (
        "select entry_id, contact_point_id, channel, purpose, topic, state, scope, occurred_at from consent_ledger",
        "select contact_point_id, channel, reason, occurred_at, lifted_at, '', '', '' from suppressions",
        "select contact_point_id, type, value, '', '', '', '', '' from contact_points",
    )
    with store.read() as connection:
        return {tuple(row) for query in queries for row in connection.exec_driver_sql(query)}
