"""Amazon SES: the mapping of its events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cdp.mapping import APPLE, PERSON, WITHDRAWN, Item, Row, at, mapped, seen, suppressed
from tests.cdp.verifying import as_request, outcome, recorded

THEN = "2017-08-05T00:41:02.669Z"


def ses(kind: str, *to: str, name: str = "eventType", **parts: Any) -> Item:
    mail = {"messageId": "m1", "timestamp": "2017-08-05T00:40:01.123Z", "destination": list(to or ("ann@example.com",))}
    return {name: kind, "mail": mail | parts.pop("mail", {}), **parts}


def bounce(bounce_type: str, sub_type: str = "General") -> Item:
    people = [{"emailAddress": "ann@example.com", "status": "5.1.1"}]
    return ses(
        "Bounce",
        bounce={"bounceType": bounce_type, "bounceSubType": sub_type, "timestamp": THEN, "bouncedRecipients": people},
    )


def complaint(*addresses: str, **more: str) -> Item:
    people = [{"emailAddress": address} for address in addresses]
    return ses("Complaint", complaint={"timestamp": THEN, "complainedRecipients": people, **more})


def opened(agent: str | None, *to: str) -> Item:
    return ses("Open", *to, open={"timestamp": THEN, "userAgent": agent})


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (ses("Send"), {"event_type": "sent", "occurred_at": at("2017-08-05T00:40:01.123Z"), "message_ref": "m1"}),
        (
            ses("Delivery", "x@example.com", delivery={"timestamp": THEN, "recipients": ["ann@example.com"]}),
            {"event_type": "delivered", "email": "ann@example.com", "occurred_at": at(THEN)},
        ),
        (
            ses(
                "DeliveryDelay",
                deliveryDelay={"timestamp": THEN, "delayedRecipients": [{"emailAddress": "b@example.com"}]},
            ),
            {"event_type": "deferred", "email": "b@example.com"},
        ),
        (ses("Reject", reject={"reason": "Bad content"}), {"event_type": "rejected"}),
        (ses("Rendering Failure", failure={"templateName": "t"}), {"event_type": "failed"}),
        (bounce("Permanent"), {"event_type": "bounced", "email": "ann@example.com", "consent_channel": None}),
        (bounce("Transient", "MailboxFull"), {"event_type": "bounced"}),
        (bounce("Permanent", "OnAccountSuppressionList"), {"event_type": "rejected"}),
        (complaint("ann@example.com"), {"event_type": "complained", **WITHDRAWN}),
        (
            complaint("ann@example.com", complaintFeedbackType="not-spam"),
            {"event_type": "custom", "consent_channel": None},
        ),
        (complaint("Ann <ann@example.com>"), {"event_type": "complained", "email": "ann@example.com"}),
        (
            complaint("ann@example.com", complaintSubType="OnAccountSuppressionList"),
            {"event_type": "rejected", "consent_channel": None},
        ),
        (opened(PERSON), {"event_type": "opened", "is_machine": False}),
        (opened(APPLE), {"event_type": "opened", "is_machine": True}),
        (
            ses("Click", click={"timestamp": THEN, "userAgent": PERSON, "link": "https://example.com"}),
            {"event_type": "clicked", "is_machine": False},
        ),
        (ses("Send", mail={"tags": {"campaign": ["spring"]}}), {"campaign_ref": "spring"}),
        (
            ses("Delivery", name="notificationType", delivery={"recipients": ["b@example.com"]}),
            {"email": "b@example.com"},
        ),
        (ses("Received", name="notificationType"), {"refused": "unknown_event", "refused_detail": "eventType"}),
        (complaint(), {"refused": "no_identifier", "refused_detail": "complainedRecipients"}),
        (ses("Send", mail={"timestamp": "soon"}), {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_ses(payload: Item, expected: Row) -> None:
    envelope = {"Type": "Notification", "MessageId": "n1", "TopicArn": "t", "Message": json.dumps(payload)}
    for item in (payload, envelope):
        [row] = mapped("ses", item)
        assert seen(row, expected) == expected


def test_each_recipient_of_an_ses_mail_is_a_row() -> None:
    rows = mapped("ses", ses("Send", "ann@example.com", "bob@example.com"))
    assert [(row["email"], row["event_type"]) for row in rows] == [
        ("ann@example.com", "sent"),
        ("bob@example.com", "sent"),
    ]
    assert len({row["event_key"] for row in rows}) == 2


def test_a_complaint_with_several_recipients_is_attributed_to_none() -> None:
    rows = mapped("ses", complaint("ann@example.com", "bob@example.com"))
    assert [(row["event_type"], row["event_name"], row["consent_channel"]) for row in rows] == [
        ("custom", "Complaint of one of several", None)
    ] * 2


def test_an_open_with_several_recipients_is_refused() -> None:
    rows = mapped("ses", opened(PERSON, "ann@example.com", "bob@example.com"))
    assert {row["refused"] for row in rows} == {"no_identifier"}


def preferences(unsubscribe_all: bool = False, **topics: str) -> Item:
    statuses = [{"topicName": name, "subscriptionStatus": status} for name, status in topics.items()]
    return {"unsubscribeAll": unsubscribe_all, "topicSubscriptionStatus": statuses}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (preferences(), preferences(True), [("unsubscribed", None, "withdrawn", "channel")]),
        (preferences(True), preferences(), [("resubscribed", None, "granted", "channel")]),
        (
            preferences(news="OptIn", sale="OptIn"),
            preferences(news="OptOut", sale="OptIn"),
            [("unsubscribed", "news", "withdrawn", "topic")],
        ),
        (
            preferences(news="OptIn", sale="OptOut"),
            preferences(news="OptOut", sale="OptIn"),
            [("resubscribed", "sale", "granted", "topic"), ("unsubscribed", "news", "withdrawn", "topic")],
        ),
        (
            preferences(True, news="OptOut", sale="OptOut"),
            preferences(news="OptIn", sale="OptOut"),
            [("resubscribed", "news", "granted", "topic"), ("unsubscribed", "sale", "withdrawn", "topic")],
        ),
        (preferences(news="OptIn"), preferences(news="OptIn"), [(None, None, None, None)]),
        (None, preferences(news="OptIn"), [("resubscribed", "news", "granted", "topic")]),
    ],
)
def test_changes_of_ses_subscriptions(old: Item | None, new: Item, expected: list[Any]) -> None:
    change = {"timestamp": THEN, "source": "UnsubscribeHeader", "newTopicPreferences": new, "oldTopicPreferences": old}
    rows = mapped("ses", ses("Subscription", subscription=change))
    names = ("event_type", "consent_topic", "consent_state", "consent_scope")
    found = [tuple(row[name] if row["consent_channel"] else None for name in names) for row in rows]
    assert sorted(found, key=str) == expected
    assert len({row["event_key"] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("payload", "reasons"),
    [
        (bounce("Permanent"), ["hard_bounce"]),
        (bounce("Transient"), []),
        (complaint("ann@example.com"), ["complaint"]),
        (complaint("ann@example.com", "bob@example.com"), []),
    ],
)
def test_lasting_failures_suppress_the_address(payload: Item, reasons: list[str]) -> None:
    assert suppressed("ses", payload) == reasons


# --- requests ------------------------------------------------------------------------------------------------


def test_recorded_requests_of_amazon_have_no_signature() -> None:
    for found in recorded("amazon_ses"):
        arn = json.loads(found["body"]).get("TopicArn", "none")
        assert "items" not in outcome("ses", as_request(found), {"topic_arns": arn})
