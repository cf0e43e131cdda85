"""Messenger: the mapping of its bodies, and its webhook.

Events as in https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events.
"""

from __future__ import annotations

from typing import Any

import pytest

from cdp.webhooks import Refused
from tests import webhook_senders as senders
from tests.cdp.mapping import Item, Row, at, mapped, seen
from tests.cdp.verifying import NOW, opened, verifier

PSID, PAGE = "1254477777772919", "682498302938465"
TIME = 1_458_668_856_463
MID = "mid.1457764197618:41d102a3e1ae206a38"
OUR_ID = "msg_01J8ZB3C4D5E6F7G8H9J0KMNPQ"


def body(*events: Item, under: str = "messaging", **more: Any) -> Item:
    return {"object": "page", "entry": [{"id": PAGE, "time": TIME, under: list(events), **more}]}


def event(**what: Any) -> Item:
    told = {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": TIME, **what}
    return {name: value for name, value in told.items() if value is not None}


def message(text: str | None = None, **more: Any) -> Item:
    return event(message={"mid": MID, "text": text, **more})


def echo(**more: Any) -> Item:
    sent = {"is_echo": True, "app_id": 1517776481860111, "mid": MID, "text": "hello", **more}
    return event(sender={"id": PAGE}, recipient={"id": PSID}, message=sent)


def optin(**what: Any) -> Item:
    return event(optin={"type": "notification_messages", "notification_messages_token": "t", **what})


WRITTEN = {"event_type": "replied", "consent_channel": None}
STOPPED = {"event_type": "unsubscribed", "consent_channel": "messenger", "consent_state": "withdrawn"}
STARTED = STOPPED | {"event_type": "resubscribed", "consent_state": "granted"}
READ = at("2016-03-22T17:47:36.253Z")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            message("hello, world!"),
            {
                **WRITTEN,
                **{"channel": "messenger", "external_ids": f'{{"messenger_psid":"{PSID}"}}', "properties": None},
                **{"message_ref": MID, "event_key": f"{MID}:received", "occurred_at": at("2016-03-22T17:47:36.463Z")},
            },
        ),
        (message(attachments=[{"type": "image", "payload": {"url": "https://…"}}]), WRITTEN),
        (message("yes", quick_reply={"payload": "YES"}), WRITTEN),
        (message("yes", reply_to={"mid": "m_ours", "is_self_reply": False}), {"message_ref": "m_ours"}),
        (message("and", reply_to={"mid": "m_own", "is_self_reply": True}), {"message_ref": MID}),
        (message(" Stop "), {**STOPPED, "consent_method": "keyword"}),
        (message("start"), STARTED),
        (message("yes"), WRITTEN),
        (
            echo(metadata=OUR_ID),
            {
                **{"event_type": "sent", "message_id": OUR_ID, "message_ref": MID, "campaign_ref": None},
                "external_ids": f'{{"messenger_psid":"{PSID}"}}',
            },
        ),
        (echo(metadata="spring"), {"event_type": "sent", "message_id": None, "campaign_ref": "spring"}),
        # A page's clerk is no person.
        (echo(text="STOP"), {"event_type": "sent", "consent_channel": None}),
        (
            event(timestamp=None, delivery={"mids": [MID], "watermark": 1458668856253}),
            {
                **{"event_type": "delivered", "message_ref": MID, "event_key": f"{MID}:delivered"},
                **{"occurred_at": READ, "properties": None},
            },
        ),
        (
            event(timestamp=None, delivery={"watermark": 1458668856253}),
            {
                **{"event_type": "delivered", "message_ref": None, "occurred_at": READ},
                "properties": '{"until":"2016-03-22T17:47:36.253Z"}',
            },
        ),
        (
            event(read={"watermark": 1458668856253}),
            {
                **{"event_type": "opened", "message_ref": None, "occurred_at": at("2016-03-22T17:47:36.463Z")},
                "properties": '{"until":"2016-03-22T17:47:36.253Z"}',
            },
        ),
        (event(postback={"mid": "m_1", "title": "Get Started", "payload": "START"}), {**WRITTEN, "message_ref": "m_1"}),
        (event(timestamp="1527459824", postback={"title": "T"}), {"occurred_at": at("2018-05-27T22:23:44Z")}),
        (event(reaction={"reaction": "love", "action": "react", "mid": MID}), {**WRITTEN, "message_ref": MID}),
        (event(reaction={"action": "unreact", "mid": MID}), {"event_type": "custom", "event_name": "reaction"}),
        (optin(payload="news"), {**STARTED, "consent_method": "optin"}),
        (optin(notification_messages_status="STOP NOTIFICATIONS"), STOPPED),
        (optin(notification_messages_status="RESUME_NOTIFICATIONS"), STARTED),
        (event(optin={"ref": "footer"}), {"event_type": "custom", "event_name": "optin", "consent_channel": None}),
        (event(referral={"ref": "m.me", "source": "SHORTLINK", "type": "OPEN_THREAD"}), {"event_type": "custom"}),
        # What cannot be used, and why.
        (event(pass_thread_control={"new_owner_app_id": "1"}), {"refused": "unsupported"}),
        (
            event(sender={"user_ref": "u"}, optin={"ref": "box"}),
            {"refused": "no_identifier", "refused_detail": "sender.id"},
        ),
        (event(timestamp="soon", message={"mid": MID}), {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_messenger(payload: Item, expected: Row) -> None:
    [row] = mapped("messenger", body(payload))
    assert seen(row, {"refused": None} | expected) == {"refused": None} | expected


def test_what_another_app_answers_is_read_as_well() -> None:
    [row] = mapped("messenger", body(message("hello"), under="standby"))
    assert (row["event_type"], row["message_ref"]) == ("replied", MID)


def test_a_delivery_of_several_messages_is_as_many_events() -> None:
    rows = mapped("messenger", body(event(delivery={"mids": ["m_1", "m_2"], "watermark": TIME}), message("hello")))
    assert sorted(row["event_key"] for row in rows) == ["m_1:delivered", "m_2:delivered", f"{MID}:received"]


@pytest.mark.parametrize(
    "odd", [{"object": "page"}, body(), {"object": "page", "entry": [{"id": PAGE, "changes": []}]}]
)
def test_a_body_without_events_is_refused(odd: Item) -> None:
    [row] = mapped("messenger", odd)
    assert row["refused"] == "unsupported"


# --- requests ------------------------------------------------------------------------------------------------


def test_each_event_of_a_body_is_a_body_of_its_own() -> None:
    whole = body(message("hello"), event(read={"watermark": TIME}), standby=[echo()])
    items = opened("messenger", senders.messenger(whole, NOW))
    assert [payload for _, payload in items] == [
        body(message("hello")),
        body(event(read={"watermark": TIME})),
        body(echo(), under="standby"),
    ]
    assert items[0][0] == f"message:{MID}"


def test_metas_challenge_is_echoed_with_the_token_of_messenger() -> None:
    checker = verifier()
    query = {"hub.mode": "subscribe", "hub.verify_token": "verify messenger", "hub.challenge": "1158201444"}
    assert checker.answer_challenge(checker.webhook_of("messenger"), query) == "1158201444"
    with pytest.raises(Refused):
        checker.answer_challenge(checker.webhook_of("whatsapp"), query)
