"""WhatsApp: the mapping of its bodies, and the subscription of a webhook."""

from __future__ import annotations

from typing import Any

import pytest

from cdp.errors import NotFound
from cdp.webhooks import Refused
from tests import webhook_senders as senders
from tests.cdp.mapping import Item, Row, mapped, seen
from tests.cdp.verifying import NOW, opened, verifier


def body(field: str = "messages", **value: Any) -> Item:
    return {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": field, "value": value}]}]}


def status(name: str, **more: Any) -> Item:
    return {"id": "w1", "status": name, "timestamp": "1700000000", "recipient_id": "15551234567", **more}


def message(**more: Any) -> Item:
    return {"id": "w2", "from": "15551234567", "timestamp": "1700000000", "type": "text", **more}


def preference(value: str) -> Item:
    return body("user_preferences", user_preferences=[{"wa_id": "15551234567", "value": value, "timestamp": 17e8}])


STOPPED = {"event_type": "unsubscribed", "consent_state": "withdrawn", "consent_channel": "whatsapp"}
NAMED = [{"wa_id": "15551234567", "profile": {"name": "Ann B. Lee"}}]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (body(statuses=[status("delivered")]), {"event_type": "delivered", "phone": "+15551234567"}),
        (body(statuses=[status("read")]), {"event_type": "opened", "event_key": "w1:read"}),
        (body(statuses=[status("failed", errors=[{"code": 131026}])]), {"event_type": "failed"}),
        (body(statuses=[status("sent", biz_opaque_callback_data="spring")]), {"campaign_ref": "spring"}),
        (
            body(messages=[message(text={"body": "Thanks"})]),
            {"event_type": "replied", "consent_channel": None},
        ),
        (body(messages=[message(text={"body": " Stop "})]), STOPPED),
        (body(messages=[message(type="button", button={"text": "Stop promotions"})]), STOPPED),
        (body(messages=[message(text={"body": "start"})]), {"event_type": "resubscribed"}),
        (body(messages=[message(text={"body": "yes"})]), {"event_type": "replied", "consent_channel": None}),
        (body(messages=[message()], contacts=NAMED), {"first_name": "Ann B.", "last_name": "Lee"}),
        (body(messages=[message(**{"from": "15550000000"})], contacts=NAMED), {"first_name": None}),
        (preference("stop"), STOPPED),
        (preference("resume"), {"event_type": "resubscribed", "consent_state": "granted"}),
        (body("account_update", event="X"), {"refused": "unsupported", "refused_detail": "field"}),
        (body(statuses=[status("sung")]), {"refused": "unknown_event", "refused_detail": "status"}),
        (body(messages=[message(**{"from": None})]), {"refused": "no_identifier", "refused_detail": "from"}),
        (body(statuses=[status("sent", timestamp="soon")]), {"refused": "bad_time"}),
    ],
)
def test_whatsapp(payload: Item, expected: Row) -> None:
    [row] = mapped("whatsapp", payload)
    assert seen(row, expected) == expected


def test_a_whatsapp_body_with_several_statuses_is_as_many_events() -> None:
    two_entries = body(statuses=[status("sent"), status("delivered")], messages=[message()])
    two_entries["entry"] += body(statuses=[status("read")])["entry"]
    rows = mapped("whatsapp", two_entries)
    assert sorted(row["event_key"] for row in rows) == ["w1:delivered", "w1:read", "w1:sent", "w2:received"]


# --- requests ------------------------------------------------------------------------------------------------


def test_each_part_of_a_whatsapp_body_is_a_body_of_its_own() -> None:
    parts = {"statuses": [{"id": "w1", "status": "sent"}], "messages": [{"id": "w2"}], "contacts": [{"wa_id": "1"}]}
    body = {"object": "o", "entry": [{"id": "a", "changes": [{"field": "messages", "value": parts}]}]}
    [(_, first), (_, second)] = opened("whatsapp", senders.whatsapp(body, NOW))
    [change] = first["entry"][0]["changes"]
    assert change == {
        "field": "messages",
        "value": {"contacts": [{"wa_id": "1"}], "statuses": [{"id": "w1", "status": "sent"}]},
    }
    assert "statuses" not in second["entry"][0]["changes"][0]["value"]


SUBSCRIBE = {"hub.mode": "subscribe", "hub.verify_token": "verify me", "hub.challenge": "1158201444"}


def test_metas_challenge_is_echoed_if_the_token_matches() -> None:
    checker = verifier()
    assert checker.answer_challenge(checker.webhook_of("whatsapp"), SUBSCRIBE) == "1158201444"
    for wrong in ({**SUBSCRIBE, "hub.verify_token": "me"}, {**SUBSCRIBE, "hub.mode": "unsubscribe"}, {}):
        with pytest.raises(Refused):
            checker.answer_challenge(checker.webhook_of("whatsapp"), wrong)
    with pytest.raises(NotFound):
        checker.answer_challenge(checker.webhook_of("sendgrid"), SUBSCRIBE)
