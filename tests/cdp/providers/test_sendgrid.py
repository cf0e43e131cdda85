"""SendGrid: the mapping of its events, and the authentication of its requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cdp.providers.sendgrid.webhook import SIGNATURE, TIMESTAMP, verify
from cdp.webhooks import Refused, Request
from tests.cdp.mapping import Item, Row, at, mapped, seen
from tests.cdp.verifying import NOW, as_request, outcome, recorded

SENDGRID = {
    "email": "ann@example.com",
    "timestamp": 1461095250,
    "event": "open",
    "sg_event_id": "e1",
    "sg_message_id": "m1",
}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"event_type": "opened", "occurred_at": at("2016-04-19T19:47:30Z"), "event_key": "e1"}),
        ({"sg_machine_open": True}, {"event_type": "opened", "is_machine": True}),
        ({"event": "bounce", "type": "blocked"}, {"event_type": "bounced", "consent_channel": None}),
        ({"category": ["spring", "sale"]}, {"campaign_ref": "spring"}),
        ({"category": "spring"}, {"campaign_ref": "spring"}),
        ({"category": []}, {"campaign_ref": None}),
        ({"category": "spring", "campaign_id": "c9"}, {"campaign_ref": "c9"}),
        (
            {"event": "group_unsubscribe", "asm_group_id": 24101},
            {"event_type": "unsubscribed", "consent_state": "withdrawn", "consent_scope": "topic"},
        ),
        (
            {"event": "unsubscribe", "asm_group_id": 24101},
            {"event_type": "unsubscribed", "consent_topic": None, "consent_scope": "channel"},
        ),
        ({"event": "group_resubscribe"}, {"event_type": "resubscribed", "consent_state": "granted"}),
        ({"event": "spamreport"}, {"event_type": "complained", "consent_channel": "email"}),
        ({"event": None}, {"refused": "unknown_event", "refused_detail": "event"}),
        ({"email": " "}, {"refused": "no_identifier", "refused_detail": "email"}),
        ({"timestamp": "soon"}, {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_sendgrid(payload: Item, expected: Row) -> None:
    [row] = mapped("sendgrid", {**SENDGRID, **payload})
    assert seen(row, expected) == expected


# --- events of one message ----------------------------------------------------------------------

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


# --- requests ------------------------------------------------------------------------------------------------

SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfS"
    "mpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
SENDGRID_REQUEST = Request(
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n',
    {
        "x-twilio-email-event-webhook-timestamp": "1600112502",
        "x-twilio-email-event-webhook-signature": (
            "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
        ),
    },
    "https://cdp.example.com/webhooks/sendgrid",
)


@pytest.mark.parametrize(
    "key",
    [SENDGRID_KEY, f"-----BEGIN PUBLIC KEY-----\n{SENDGRID_KEY[:64]}\n{SENDGRID_KEY[64:]}\n-----END PUBLIC KEY-----"],
    ids=["base64", "pem"],
)
def test_the_vector_of_sendgrids_own_libraries(key: str) -> None:
    sent_at = datetime.fromtimestamp(1600112502, UTC)
    verify(SENDGRID_REQUEST, {"public_key": key}, sent_at)
    with pytest.raises(Refused, match="does not match"):
        verify(replace(SENDGRID_REQUEST, body=SENDGRID_REQUEST.body.strip()), {"public_key": key}, sent_at)
    with pytest.raises(Refused, match="too old"):
        verify(SENDGRID_REQUEST, {"public_key": key}, NOW)


def test_recorded_requests_of_sendgrid() -> None:
    key = "ANYMAIL_SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY".removeprefix("ANYMAIL_")
    outcomes = [
        (found["accepted"], outcome("sendgrid", as_request(found), {"public_key": found["settings"]["ANYMAIL"][key]}))
        for found in recorded("sendgrid")
        if key in found["settings"]["ANYMAIL"]
    ]
    # The two accepted ones are validly signed, with an invalid time.
    no_time, no_match = f"{TIMESTAMP} is not a time", "the signature does not match"
    assert [why for accepted, why in outcomes if accepted] == [no_time, no_time]
    refused = [why for accepted, why in outcomes if not accepted]
    assert set(refused) <= {
        no_match,
        f"the header {SIGNATURE} is missing",
        f"the header {TIMESTAMP} is missing",
    }
    assert len(refused) == 6
