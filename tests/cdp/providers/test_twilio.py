"""Twilio: the mapping of its messages, and the authentication of its requests."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from cdp.providers.twilio.webhook import verify
from cdp.webhooks import Refused, Request
from tests import webhook_senders as senders
from tests.cdp.mapping import RECEIVED, Item, Row, at, mapped, properties, seen
from tests.cdp.verifying import NOW

LOGGED = {
    **{"From": "+12025550143", "To": "+15551234567", "Body": "hello", "Status": "delivered", "Sid": "SM1"},
    **{"SentDate": "2024-01-01T10:00:00-05:00", "Direction": "outbound-api", "ErrorCode": "0"},
}
LISTED = {
    **{"from": "BRAND", "to": "+15551234567", "status": "undelivered", "sid": "SM2", "error_code": 30003},
    **{"date_sent": "Fri, 24 May 2019 17:44:46 +0000", "direction": "outbound-api", "num_segments": "1"},
}
INBOUND = {
    "MessageSid": "SM3",
    "From": "+15551234567",
    "To": "+12025550143",
    "SmsStatus": "received",
    "Body": "hi",
}
CALLBACK = {"MessageSid": "SM4", "MessageStatus": "sent", "To": "+15551234567", "From": "+12025550143"}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (LOGGED, {"event_type": "delivered", "channel": "sms", "phone": "+15551234567"}),
        (LOGGED, {"occurred_at": at("2024-01-01T15:00:00Z"), "event_key": "SM1:delivered"}),
        *(
            ({**LOGGED, "Status": status}, {"event_type": event_type})
            for status, event_type in [
                *(("queued", "queued"), ("accepted", "queued"), ("scheduled", "queued"), ("sending", "sent")),
                *(("sent", "sent"), ("read", "opened"), ("undelivered", "bounced"), ("failed", "failed")),
                ("canceled", "rejected"),
            ]
        ),
        (
            {**LOGGED, "Status": "received", "Direction": "inbound"},
            {"event_type": "replied", "phone": "+12025550143"},
        ),
        (
            LISTED,
            {"event_type": "bounced", "occurred_at": at("2019-05-24T17:44:46Z"), "phone": "+15551234567"},
        ),
        ({**LISTED, "date_sent": None, "date_created": LISTED["date_sent"]}, {"refused": None}),
        (
            INBOUND,
            {"event_type": "replied", "occurred_at": RECEIVED, "phone": "+15551234567", "is_verified": True},
        ),
        ({**INBOUND, "Timestamp": "2024-05-01T08:00:00Z"}, {"occurred_at": at("2024-05-01T08:00:00Z")}),
        *(
            (
                {**INBOUND, "Body": word},
                {"event_type": "unsubscribed", "consent_state": "withdrawn", "consent_channel": "sms"},
            )
            for word in ("STOP", "stopall", " Unsubscribe ", "CANCEL", "end", "Quit")
        ),
        *(
            (
                {**INBOUND, "Body": word},
                {"event_type": "resubscribed", "consent_state": "granted", "consent_scope": "channel"},
            )
            for word in ("start", "YES", "UnStop")
        ),
        ({**INBOUND, "Body": "stop it please"}, {"event_type": "replied", "consent_channel": None}),
        ({**INBOUND, "Body": "HELP"}, {"event_type": "replied", "consent_channel": None}),
        ({**INBOUND, "Body": "arret", "OptOutType": "STOP"}, {"event_type": "unsubscribed"}),
        ({**LOGGED, "Body": "STOP"}, {"event_type": "delivered", "consent_channel": None}),
        (
            {
                **INBOUND,
                "From": "whatsapp:+15551234567",
                "To": "whatsapp:+12025550143",
                "ProfileName": "Ann B. Lee",
            },
            {"channel": "whatsapp", "phone": "+15551234567", "first_name": "Ann B.", "last_name": "Lee"},
        ),
        (CALLBACK, {"event_type": "sent", "event_key": "SM4:sent", "phone": "+15551234567"}),
        ({**INBOUND, "From": "12345"}, {"refused": "no_identifier", "refused_detail": "From", "phone": None}),
        ({**LOGGED, "To": "BRAND"}, {"refused": "no_identifier", "refused_detail": "To", "phone": None}),
        ({**LOGGED, "Status": "lost"}, {"refused": "unknown_event", "refused_detail": "Status"}),
        ({**LOGGED, "SentDate": ""}, {"refused": "bad_time", "refused_detail": "SentDate"}),
        ({**LOGGED, "SentDate": "2026-02-31T25:61:00Z"}, {"refused": "bad_time"}),
    ],
)
def test_twilio(payload: Item, expected: Row) -> None:
    [row] = mapped("twilio", payload)
    assert seen(row, expected) == expected


def test_twilio_export_and_callback_of_one_delivery_are_one_event() -> None:
    logged, called_back = mapped("twilio", LOGGED, {**CALLBACK, "MessageSid": "SM1", "MessageStatus": "delivered"})
    assert logged["event_key"] == called_back["event_key"]


# --- keywords ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "opt_out_type", "event_type", "state"),
    [
        *((word, None, "unsubscribed", "withdrawn") for word in ("STOP", "optout", "Revoke", "unsubscribe", " end ")),
        *((word, None, "resubscribed", "granted") for word in ("START", "unstop", "Yes")),
        *((word, None, "replied", None) for word in ("HELP", "INFO", "stop it", "")),
        # The interpretation by Advanced Opt-Out counts, not the text.
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


# --- requests ------------------------------------------------------------------------------------------------

TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_FORM = [
    *(("CallSid", "CA1234567890ABCDE"), ("Digits", "1234"), ("From", "+14158675309"), ("To", "+18005551212")),
    ("Caller", "+14158675309"),
]
TWILIO_JSON = b'{"property": "value", "boolean": true}'
TWILIO_HASH = "bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        (TWILIO_URL, TWILIO_FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (TWILIO_URL.replace(".com", ".com:1234"), TWILIO_FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (TWILIO_URL, TWILIO_FORM, "kvajT1Ptam85bY51eRf/AJRuM3w="),  # signed with port 443
        (TWILIO_URL.replace("https", "http"), TWILIO_FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4="),  # signed with port 80
        (
            TWILIO_URL,
            [("Sid", "CA123"), ("SidAccount", "AC123"), *(("Digits", digits) for digits in ("5678", "1234", "1234"))],
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (f"{TWILIO_URL}&{TWILIO_HASH}", None, "a9nBmqA0ju/hNViExpshrM61xv4="),
        (f"https://mycompany.com/myapp.php?{TWILIO_HASH}", None, "y77kIzt2vzLz71DgmJGsen2scGs="),
    ],
)
def test_vectors_of_twilios_own_libraries(url: str, form: list[tuple[str, str]] | None, signature: str) -> None:
    body = TWILIO_JSON if form is None else urlencode(form).encode()
    headers = {"x-twilio-signature": signature, "content-type": senders.FORM if form else senders.JSON}
    request = Request(body, headers, url)
    verify(request, {"auth_token": "12345"}, NOW)
    for wrong in (
        replace(request, body=body.replace(b"1", b"2").replace(b"true", b"fals")),
        replace(request, url=url + "3"),
    ):
        with pytest.raises(Refused):
            verify(wrong, {"auth_token": "12345"}, NOW)
