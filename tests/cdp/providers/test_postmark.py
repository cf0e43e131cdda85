"""Postmark: the mapping of its records, and the authentication of its requests."""

from __future__ import annotations

import pytest

from tests.cdp.mapping import APPLE, GMAIL, GRANTED, PERSON, WITHDRAWN, Item, Row, at, mapped, seen, suppressed
from tests.cdp.verifying import as_request, outcome, recorded

POSTMARK: dict[str, Item] = {
    "Delivery": {"Recipient": "ann@example.com", "DeliveredAt": "2014-08-01T13:28:10.2735393-04:00"},
    "Open": {"Recipient": "ann@example.com", "ReceivedAt": "2019-11-05T16:33:54.9070259Z", "UserAgent": PERSON},
    "Click": {
        **{"Recipient": "ann@example.com", "ReceivedAt": "2017-10-25T15:21:11.9065619Z", "UserAgent": PERSON},
        "OriginalLink": "https://example.com",
    },
    "Bounce": {"Email": "ann@example.com", "BouncedAt": "2019-11-05T16:33:54.9070259Z", "Type": "HardBounce", "ID": 42},
    "SpamComplaint": {
        "Email": "ann@example.com",
        "BouncedAt": "2019-11-05T16:33:54Z",
        "Type": "SpamComplaint",
        "ID": 43,
    },
    "SubscriptionChange": {
        **{"Recipient": "ann@example.com", "ChangedAt": "2020-02-01T10:53:34.416071Z", "SuppressSending": True},
        **{"SuppressionReason": "ManualSuppression", "Origin": "Recipient", "MessageStream": "broadcast"},
    },
}


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("Delivery", {}, {"event_type": "delivered", "occurred_at": at("2014-08-01T17:28:10.273539Z")}),
        ("Delivery", {}, {"email": "ann@example.com", "message_ref": "m1", "is_verified": True}),
        ("Open", {}, {"event_type": "opened", "is_machine": False}),
        ("Open", {"UserAgent": APPLE}, {"is_machine": True}),
        ("Open", {"UserAgent": GMAIL}, {"is_machine": False}),
        ("Open", {"UserAgent": None}, {"is_machine": False}),
        ("Click", {}, {"event_type": "clicked", "is_machine": False}),
        ("Click", {"UserAgent": "python-requests/2.31"}, {"is_machine": True}),
        ("Bounce", {}, {"event_type": "bounced", "event_key": "Bounce:42"}),
        *(
            ("Bounce", {"Type": kind}, {"event_type": event_type, "consent_channel": None})
            for kind, event_type in [
                *(("SoftBounce", "bounced"), ("BadEmailAddress", "bounced"), ("Blocked", "bounced")),
                *(("Transient", "deferred"), ("AutoResponder", "custom"), ("ManuallyDeactivated", "rejected")),
                *(("SMTPApiError", "failed"), ("SomethingNew", "bounced")),
            ]
        ),
        ("Bounce", {"Type": "Unsubscribe"}, {"event_type": "unsubscribed", **WITHDRAWN}),
        ("Bounce", {"Type": "Subscribe"}, {"event_type": "resubscribed", **GRANTED}),
        ("SpamComplaint", {}, {"event_type": "complained", **WITHDRAWN}),
        ("SubscriptionChange", {}, {"event_type": "unsubscribed", **WITHDRAWN}),
        ("SubscriptionChange", {"Origin": "Admin"}, {"event_type": "unsubscribed", **WITHDRAWN}),
        ("SubscriptionChange", {"SuppressionReason": "HardBounce"}, {"event_type": "bounced", "consent_channel": None}),
        ("SubscriptionChange", {"SuppressionReason": "SpamComplaint"}, {"event_type": "complained", **WITHDRAWN}),
        (
            "SubscriptionChange",
            {"SuppressSending": False, "SuppressionReason": None},
            {"event_type": "resubscribed", **GRANTED},
        ),
        # The sender lifted it, which is no consent.
        (
            "SubscriptionChange",
            {"SuppressSending": False, "SuppressionReason": None, "Origin": "Customer"},
            {"event_type": "custom", "consent_channel": None},
        ),
        ("Delivery", {"Tag": "welcome", "Metadata": {"campaign_id": "c9"}}, {"campaign_ref": "c9"}),
        ("Delivery", {"Tag": "welcome", "Metadata": {}}, {"campaign_ref": "welcome"}),
        ("Delivery", {"Tag": ""}, {"campaign_ref": None}),
        ("Delivery", {"RecordType": "Inbound"}, {"refused": "unknown_event", "refused_detail": "RecordType"}),
        ("Delivery", {"Recipient": None}, {"refused": "no_identifier", "refused_detail": "Recipient"}),
        ("Bounce", {"Email": ""}, {"refused": "no_identifier", "refused_detail": "Email"}),
        ("Click", {"ReceivedAt": "soon"}, {"refused": "bad_time", "refused_detail": "ReceivedAt"}),
    ],
)
def test_postmark(kind: str, more: Item, expected: Row) -> None:
    [row] = mapped("postmark", {"RecordType": kind, "MessageID": "m1", **POSTMARK[kind], **more})
    assert seen(row, expected) == expected


def test_two_clicks_in_a_postmark_mail_are_two_events() -> None:
    click = {"RecordType": "Click", "MessageID": "m1", **POSTMARK["Click"]}
    first, again, other = mapped("postmark", click, click, {**click, "OriginalLink": "https://example.com/2"})
    assert first["event_key"] == again["event_key"] != other["event_key"]


@pytest.mark.parametrize(
    ("payload", "reasons"),
    [
        ({"RecordType": "Bounce", **POSTMARK["Bounce"]}, ["hard_bounce"]),
        ({"RecordType": "Bounce", **POSTMARK["Bounce"], "Type": "SoftBounce"}, []),
        ({"RecordType": "SpamComplaint", **POSTMARK["SpamComplaint"]}, ["complaint"]),
    ],
)
def test_lasting_failures_suppress_the_address(payload: Item, reasons: list[str]) -> None:
    assert suppressed("postmark", payload) == reasons


# --- requests ------------------------------------------------------------------------------------------------


def test_recorded_requests_of_postmark() -> None:
    for found in recorded("postmark"):
        agreed = found["settings"]["ANYMAIL"].get("WEBHOOK_SECRET")
        if isinstance(agreed, str):
            username, password = agreed.split(":")
            result = outcome("postmark", as_request(found), {"username": username, "password": password})
            assert (result == "1 items") == found["accepted"]
