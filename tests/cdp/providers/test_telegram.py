"""Telegram: the mapping of a bot's updates, and its webhook.

Updates as in https://core.telegram.org/bots/api#update, with what is sent of users and chats.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from cdp.consent import effects_of
from cdp.webhooks import Refused
from tests import webhook_senders as senders
from tests.cdp.mapping import Item, Row, at, mapped, seen
from tests.cdp.verifying import NOW, opened

ANN = {"id": 1111111, "is_bot": False, "first_name": "Ann 🌸", "username": "annlee", "language_code": "de"}
CHAT = {"id": 1111111, "first_name": "Ann 🌸", "username": "annlee", "type": "private"}
GROUP = {"id": -1001234567890, "title": "Hikers", "type": "supergroup"}
BOT = {"id": 4444444, "is_bot": True, "first_name": "Alpine", "username": "alpine_bot"}
SECONDS = 1_782_907_200


def update(**what: Any) -> Item:
    return {"update_id": 10000, **what}


def message(text: str | None = None, **more: Any) -> Item:
    told = {"message_id": 1365, "from": ANN, "chat": CHAT, "date": SECONDS, "text": text, **more}
    return update(message={name: value for name, value in told.items() if value is not None})


def command(text: str) -> Item:
    length = len(text.split()[0])
    return message(text, entities=[{"offset": 0, "length": length, "type": "bot_command"}])


def member(status: str, before: str = "member", **more: Any) -> Item:
    """The bot's status in a chat has changed: `kicked` is blocked by the user."""
    return update(
        my_chat_member={
            **{"chat": CHAT, "from": ANN, "date": SECONDS},
            "old_chat_member": {"user": BOT, "status": before},
            "new_chat_member": {"user": BOT, "status": status, "until_date": 0},
            **more,
        }
    )


def contact(user_id: int) -> Item:
    shared = {"phone_number": "41790000001", "first_name": "Ann", "user_id": user_id}
    return message(contact=shared)


def name_of(number: int) -> str:
    return hashlib.md5(f"1111111:{number}".encode()).hexdigest()


WRITTEN = {"event_type": "replied", "consent_channel": None, "event_name": "message"}
STOPPED = {
    **{"event_type": "unsubscribed", "consent_channel": "telegram", "consent_state": "withdrawn"},
    **{"consent_purpose": "marketing", "consent_scope": "channel"},
}
STARTED = STOPPED | {"event_type": "resubscribed", "consent_state": "granted"}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            message("Where is my order?"),
            {
                **WRITTEN,
                **{"channel": "telegram", "external_ids": '{"telegram_chat":"1111111"}', "language": "de"},
                **{"occurred_at": at("2026-07-01T12:00:00Z"), "event_key": "1111111:1365"},
                **{"message_ref": name_of(1365), "properties": None, "first_name": None},
            },
        ),
        (message(None, photo=[{"file_id": "f"}]), WRITTEN),
        (command("/help"), WRITTEN),
        (message("I will not stop"), WRITTEN),
        (message("/stopwatch"), WRITTEN),
        # An answer to a message is named after that.
        (message("yes", reply_to_message={"message_id": 1300, "from": BOT}), {"message_ref": name_of(1300)}),
        (command("/start"), {**STARTED, "event_name": "start", "consent_method": "keyword"}),
        (command("/start spring-2026"), STARTED),
        (command("/start@alpine_bot"), STARTED),
        (message("start"), STARTED),
        (command("/stop"), STOPPED),
        (message(" Stop "), STOPPED),
        (message("unsubscribe"), STOPPED),
        (member("kicked"), {**STOPPED, "event_name": "blocked", "consent_method": "blocked"}),
        # Consent to advertising comes with /start.
        (
            member("member", "kicked"),
            {**STARTED, "consent_purpose": "transactional", "consent_method": "unblocked", "message_ref": None},
        ),
        (contact(1111111), {**WRITTEN, "phone": "+41790000001"}),
        (contact(2222222), {**WRITTEN, "phone": None}),
        # What cannot be used, and why.
        (message("hello", chat=GROUP), {"refused": "unsupported", "refused_detail": "chat.type"}),
        (member("administrator", chat=GROUP), {"refused": "unsupported", "refused_detail": "chat.type"}),
        (update(edited_message={"message_id": 1}), {"refused": "unsupported"}),
        (update(callback_query={"id": "1", "from": ANN, "data": "yes"}), {"refused": "unsupported"}),
        (member("left"), {"refused": "unknown_event", "refused_detail": "new_chat_member.status"}),
        (message("hello", chat={"type": "private"}), {"refused": "no_identifier", "refused_detail": "chat.id"}),
        (message("hello", date="today"), {"refused": "bad_time", "refused_detail": "date"}),
    ],
)
def test_telegram(payload: Item, expected: Row) -> None:
    [row] = mapped("telegram", payload)
    assert seen(row, {"refused": None} | expected) == {"refused": None} | expected


@pytest.mark.parametrize(
    ("payloads", "suppressed", "lifted"),
    [
        ([member("kicked")], ["stop"], []),
        ([member("member", "kicked")], [], ["hard_bounce", "stop"]),
        ([command("/start")], [], ["hard_bounce", "stop"]),
        ([command("/stop")], ["stop"], []),
        ([message("hello")], [], ["hard_bounce"]),
    ],
)
def test_what_people_do_to_the_bot_suppresses_their_chat(
    payloads: list[Item], suppressed: list[str], lifted: list[str]
) -> None:
    rows = [
        {**row, **json.loads(row["external_ids"]), "source": "telegram", "event_id": "e"}
        for row in mapped("telegram", *payloads)
    ]
    found = effects_of(rows)
    assert [one.reason for one in found.suppressions] == suppressed
    assert sorted(one.reason for one in found.lifts) == lifted


# --- requests ------------------------------------------------------------------------------------------------


def test_an_update_needs_the_secret_of_the_webhook() -> None:
    request = senders.telegram(message("hello"), NOW)
    [(message_id, payload)] = opened("telegram", request)
    assert payload == message("hello")
    assert opened("telegram", request)[0][0] == message_id
    for headers in ({}, {senders.TELEGRAM_HEADER: "guessed"}):
        with pytest.raises(Refused):
            opened("telegram", replace(request, headers=headers))


def test_a_number_that_is_drawn_anew_is_no_repeat() -> None:
    [first], [second] = (opened("telegram", senders.telegram(message(text), NOW)) for text in ("one", "two"))
    assert first[0] != second[0]
