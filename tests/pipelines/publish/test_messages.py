"""What a run's files tell of messages: reports of providers, and offers that others have made."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdp.decision.claims import claims_of
from cdp.live import LiveItem, Receiver
from cdp.people.lookup import resolve
from cdp.sending.messages import Message, insert, messages_of
from cdp.settings import Settings
from cdp.store import Store
from tests.pipelines.runs import NOW, run, sendgrid, write_lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ungated")]

SENT_AT = NOW - timedelta(hours=3)
OURS, OTHERS, SILENT = (f"msg_{letter * 26}" for letter in "ABC")


def message(message_id: str, **more: Any) -> Message:
    made = {"client_id": "shop", "profile_id": None, "decision_id": "dec", "purpose": "marketing", "state": "accepted"}
    times = {"created_at": SENT_AT, "changed_at": SENT_AT}
    return Message(message_id=message_id, **{**made, **times, "channel": "email", "provider": "sendgrid", **more})


def states(store: Store) -> dict[str, str]:
    with store.read() as connection:
        return {one: found.state for one, found in messages_of(connection, (OURS, OTHERS, SILENT)).items()}


def test_reports_in_files_move_messages_once(settings: Settings, store: Store, tmp_path: Path) -> None:
    with store.write() as connection:
        insert(connection, [message(OURS), message(OTHERS, provider_id="x7"), message(SILENT, provider="mailgun")])
    events = [
        sendgrid("delivered", at=SENT_AT + timedelta(minutes=1), message_id=OURS),
        sendgrid("open", at=SENT_AT + timedelta(minutes=2), message_id=OURS),
        sendgrid("bounce", "ben@shop.example", at=SENT_AT + timedelta(minutes=1), sg_message_id="x7.filter1"),
        # The message went to another provider.
        sendgrid("delivered", "cat@shop.example", at=SENT_AT + timedelta(minutes=1), message_id=SILENT),
    ]
    file = write_lines(tmp_path / "in" / "sendgrid.jsonl", events)
    run(settings, file)
    assert states(store) == {OURS: "delivered", OTHERS: "bounced", SILENT: "accepted"}
    run(settings, file, now=NOW + timedelta(hours=1), full=True)
    with store.read() as connection:
        reports = connection.exec_driver_sql("select event_type, count(*) from message_reports group by 1 order by 1")
        assert [tuple(row) for row in reports] == [("bounced", 1), ("delivered", 1), ("opened", 1)]


OFFER = {"scope": " Spring  Collection ", "discount": 0.2}


def viewed(offer: Any, key: str = "view-1") -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": key,
        "userId": "ann",
        "timestamp": SENT_AT.isoformat(),
        "context": {"traits": {"email": "ann@shop.example"}},
        "properties": {"offer": offer},
    }


def claimed(store: Store) -> list[tuple[str, str, datetime]]:
    with store.read() as connection:
        [ann] = resolve(connection, [[("email", "ann@shop.example")]])
        return [(one.scope, one.terms, one.claimed_at) for _, one in claims_of(connection, [str(ann)])]


SEEN = [("spring collection", '{"discount": "0.2"}', SENT_AT)]


def test_an_offer_that_a_file_tells_of_is_claimed_once(settings: Settings, store: Store, tmp_path: Path) -> None:
    ended = {**OFFER, "scope": "winter", "until": "2026-11-01T00:00:00Z"}
    odd = [{"scope": "free"}, "20%", {"discount": 2, "scope": "boots"}, None]
    told = [viewed(OFFER), viewed(ended, "view-2"), *(viewed(one, f"odd-{n}") for n, one in enumerate(odd))]
    file = write_lines(tmp_path / "in" / "segment.jsonl", told)
    run(settings, file)
    assert claimed(store) == SEEN
    run(settings, file, now=NOW + timedelta(hours=1), full=True)
    assert claimed(store) == SEEN


@pytest.mark.parametrize(("is_told_by", "expected"), [("server", SEEN), ("write key", [])])
def test_an_offer_that_came_in_live_is_claimed_at_once(
    settings: Settings, store: Store, is_told_by: str, expected: list[tuple[str, str, datetime]]
) -> None:
    by_key = {"receivedBy": {"name": "site", "isClaim": is_told_by == "write key"}}
    receiver = Receiver(settings, store)
    receiver.receive("web", [LiveItem("view-1", {**viewed(OFFER), **by_key})], NOW, format="segment")
    receiver.close()
    assert claimed(store) == expected
