"""What the e-mail providers' SELECTs make of their payloads: one vocabulary, whoever delivers the mail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdp.consent import effects_of
from cdp.sources.agents import is_machine
from cdp.warehouse import open_memory
from tests.cdp.test_sources import Item, Row, at, mapped, seen

APPLE = "Mozilla/5.0"
PERSON = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
WITHDRAWN = {"consent_channel": "email", "consent_state": "withdrawn", "consent_scope": "channel"}
GRANTED = {"consent_channel": "email", "consent_state": "granted", "consent_scope": "channel"}


def properties(row: Row) -> Item:
    return json.loads(row["properties"]) if row["properties"] else {}


# --- SendGrid: which events are about one message -----------------------------------------------------------

FILTERED = "wrfRRvF7Q0GgwUo2CvDmEA.filter0425p1mdw1.13037.57168B4A1D.0"
SMTP_ID = "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.net>"


@pytest.mark.parametrize(
    ("ids", "message_ref"),
    [
        ({"sg_message_id": FILTERED, "smtp-id": SMTP_ID}, "wrfRRvF7Q0GgwUo2CvDmEA"),
        ({"sg_message_id": FILTERED}, "wrfRRvF7Q0GgwUo2CvDmEA"),  # clicks
        ({"smtp-id": SMTP_ID}, "wrfRRvF7Q0GgwUo2CvDmEA"),  # bounces that come late
        ({"sg_message_id": "filter0093p1las1.9128.5717FB8127.0", "smtp-id": SMTP_ID}, "wrfRRvF7Q0GgwUo2CvDmEA"),
        ({"sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"}, "14c5d75ce93.dfd.64b469"),
        ({"smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>"}, "14c5d75ce93.dfd.64b469"),
        ({"sg_message_id": "abc.recvd-5bc6f4c9d-x8zqk-1-675A-20.0"}, "abc"),
        ({"sg_message_id": "abc"}, "abc"),
        ({"smtp-id": "<152712433591.85282@example.com>"}, "<152712433591.85282@example.com>"),
        ({}, None),
    ],
)
def test_sendgrid_events_of_one_message_share_its_id(ids: Item, message_ref: str | None) -> None:
    [row] = mapped("sendgrid", {"event": "bounce", "email": "ann@example.com", "timestamp": 1461095250, **ids})
    assert row["message_ref"] == message_ref


# --- Twilio: keywords ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "opt_out_type", "event_type", "state"),
    [
        *((word, None, "unsubscribed", "withdrawn") for word in ("STOP", "optout", "Revoke", "unsubscribe", " end ")),
        *((word, None, "resubscribed", "granted") for word in ("START", "unstop", "Yes")),
        *((word, None, "replied", None) for word in ("HELP", "INFO", "stop it", "")),
        # What Advanced Opt-Out made of the words counts, and not the words.
        *(("arrêt", "STOP", "unsubscribed", "withdrawn"), ("hola", "START", "resubscribed", "granted")),
        *(("aide", "HELP", "replied", None), ("END", "HELP", "replied", None)),
    ],
)
def test_keywords_of_texts(body: str, opt_out_type: str | None, event_type: str, state: str | None) -> None:
    text = {"MessageSid": "SM1", "From": "+14155550100", "To": "+14155550199", "SmsStatus": "received", "Body": body}
    [row] = mapped("twilio", text | ({"OptOutType": opt_out_type} if opt_out_type else {}))
    assert (row["event_type"], row["consent_state"] if row["consent_channel"] else None) == (event_type, state)
    assert row["phone"] == "+14155550100"
    assert "Body" not in properties(row)


# --- Mailgun ------------------------------------------------------------------------------------------------

MAILGUN = {
    **{"event": "delivered", "id": "e1", "timestamp": 1534108637.153125, "recipient": "ann@example.com"},
    "message": {"headers": {"message-id": "20180812.1@example.org", "to": "Ann <ann@example.com>"}},
}


def failed(severity: str, reason: str, **more: Any) -> Item:
    return {"event": "failed", "severity": severity, "reason": reason, **more}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"event_type": "delivered", "event_key": "e1", "email": "ann@example.com", "is_verified": True}),
        ({}, {"occurred_at": at("2018-08-12T21:17:17.153125Z"), "message_ref": "20180812.1@example.org"}),
        ({"event": "accepted"}, {"event_type": "queued", "is_verified": False}),
        ({"event": "rejected", "recipient": None}, {"event_type": "rejected", "email": "ann@example.com"}),
        (failed("temporary", "greylisted"), {"event_type": "deferred"}),
        (failed("permanent", "bounce"), {"event_type": "bounced"}),
        (failed("permanent", "suppress-bounce"), {"event_type": "rejected"}),
        ({"event": "opened", "client-info": {"bot": "", "user-agent": PERSON}}, {"is_machine": False}),
        *(({"event": event, "client-info": {"bot": "apple"}}, {"is_machine": True}) for event in ("opened", "clicked")),
        ({"event": "opened", "client-info": {"client-type": "robot"}}, {"is_machine": True}),
        ({"event": "delivered", "client-info": {"bot": "generic"}}, {"is_machine": False}),
        ({"event": "unsubscribed"}, {"event_type": "unsubscribed", **WITHDRAWN}),
        ({"event": "complained"}, {"event_type": "complained", **WITHDRAWN}),
        ({"event": "opened"}, {"consent_channel": None}),
        ({"tags": ["spring", "sale"]}, {"campaign_ref": "spring"}),
        ({"tags": ["spring"], "user-variables": {"campaign_id": 9}}, {"campaign_ref": "9"}),
        ({"tags": [], "user-variables": [], "campaigns": []}, {"campaign_ref": None}),
        ({"event": "stored"}, {"refused": "unknown_event", "refused_detail": "event"}),
        ({"recipient": " ", "message": {}}, {"refused": "no_identifier", "refused_detail": "recipient"}),
        (
            {"recipient": None, "message": {"headers": {"to": "a@example.com, b@example.com"}}},
            {"refused": "no_identifier"},
        ),
        ({"timestamp": "soon"}, {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_mailgun(payload: Item, expected: Row) -> None:
    for item in ({**MAILGUN, **payload}, {"signature": {"token": "t"}, "event-data": {**MAILGUN, **payload}}):
        [row] = mapped("mailgun", item)
        assert seen(row, expected) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event": "bounced", "code": "550"}, {"event_type": "bounced", "message_ref": "1@example.com"}),
        ({"event": "dropped", "reason": "hardfail", "code": "607"}, {"event_type": "rejected"}),
        ({"event": "opened", "tag": "spring", "user-agent": APPLE}, {"is_machine": True, "campaign_ref": "spring"}),
    ],
)
def test_mailguns_forms_of_old(fields: Item, expected: Row) -> None:
    form = {"recipient": "ann@example.com", "timestamp": "1534108637", "Message-Id": "<1@example.com>", **fields}
    [row] = mapped("mailgun", form)
    assert seen(row, expected) == expected


# --- Postmark -----------------------------------------------------------------------------------------------

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
        # The sender has lifted it: that is no consent.
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


# --- Amazon SES ---------------------------------------------------------------------------------------------

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


def test_nobody_of_several_has_complained() -> None:
    rows = mapped("ses", complaint("ann@example.com", "bob@example.com"))
    assert [(row["event_type"], row["event_name"], row["consent_channel"]) for row in rows] == [
        ("custom", "Complaint of one of several", None)
    ] * 2


def test_who_of_several_has_opened_is_not_known() -> None:
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


# --- machines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        *((agent, False) for agent in (PERSON, GMAIL, None, "", "Outlook-iOS/2.0", "Thunderbird")),
        *((agent, True) for agent in (APPLE, f" {APPLE} ", "Googlebot/2.1", "Barracuda Sentinel (EE)", "curl/8.0")),
    ],
)
def test_who_looks_like_a_machine(agent: str | None, expected: bool) -> None:
    assert open_memory().scalar(f"select {is_machine('$1::varchar')}", [agent]) is expected


# --- what hard bounces and complaints lead to ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "payload", "reasons"),
    [
        ("mailgun", {**MAILGUN, **failed("permanent", "bounce")}, ["hard_bounce"]),
        ("mailgun", {**MAILGUN, **failed("permanent", "suppress-bounce")}, ["hard_bounce"]),
        ("mailgun", {**MAILGUN, **failed("permanent", "suppress-unsubscribe")}, []),
        ("mailgun", {**MAILGUN, **failed("permanent", "old")}, []),
        ("mailgun", {**MAILGUN, **failed("temporary", "greylisted")}, []),
        ("mailgun", {**MAILGUN, "event": "complained"}, ["complaint"]),
        ("postmark", {"RecordType": "Bounce", **POSTMARK["Bounce"]}, ["hard_bounce"]),
        ("postmark", {"RecordType": "Bounce", **POSTMARK["Bounce"], "Type": "SoftBounce"}, []),
        ("postmark", {"RecordType": "SpamComplaint", **POSTMARK["SpamComplaint"]}, ["complaint"]),
        ("ses", bounce("Permanent"), ["hard_bounce"]),
        ("ses", bounce("Transient"), []),
        ("ses", complaint("ann@example.com"), ["complaint"]),
        ("ses", complaint("ann@example.com", "bob@example.com"), []),
    ],
)
def test_what_lasts_is_suppressed(source: str, payload: Item, reasons: list[str]) -> None:
    rows = [{**row, "source": source, "event_id": "e"} for row in mapped(source, payload)]
    assert [suppression.reason for suppression in effects_of(rows).suppressions] == reasons
