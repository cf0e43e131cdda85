"""Authentication of webhooks: published vectors, and one flipped byte in any place."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import ConfigurationError, NotFound, Unavailable
from cdp.settings import WebhookSecrets
from cdp.webhooks import Refused, Request, Unreadable, UnusableSecret, WrongTime, standard
from cdp.webhooks.fetch import Certificates, fetch
from tests import webhook_senders as senders
from tests.cdp.verifying import NOW, PAYLOADS, opened, verifier
from tests.webhook_senders import OTHER_STANDARD_SECRET, SECRETS, SENDERS, Amazon, new_public_key, secrets_of

# --- published vectors ---------------------------------------------------------------------------------------

STANDARD_REQUEST = Request(
    b'{"test": 2432232314}',
    {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    "https://cdp.example.com/webhooks/segment",
)
STANDARD_SECRET = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
STANDARD_TIME = datetime.fromtimestamp(1614265330, UTC)
RIGHT = STANDARD_REQUEST.headers["webhook-signature"]
WRONG = "v1,AAAM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("header", "is_right"),
    [
        *((RIGHT, True), (f"{WRONG} {RIGHT}", True), (f"{RIGHT} v1a,abc", True), (f"  {RIGHT}  ", True)),
        *((WRONG, False), (f"{WRONG} {WRONG}", False), (RIGHT.replace("v1", "v2"), False), (RIGHT[3:], False)),
        *(("v1", False), ("v1,", False), (",", False), ("v1,\u00e4", False), (RIGHT.replace(",", ""), False)),
    ],
)
def test_the_vector_of_standard_webhooks_among_other_signatures(header: str, is_right: bool) -> None:
    request = replace(STANDARD_REQUEST, headers={**STANDARD_REQUEST.headers, "webhook-signature": header})
    if is_right:
        standard.verify(request, STANDARD_SECRET, STANDARD_TIME)
    else:
        with pytest.raises(Refused):
            standard.verify(request, STANDARD_SECRET, STANDARD_TIME)


# --- every scheme --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SENDERS)
def test_a_signed_request_is_accepted(source: str) -> None:
    [(message_id, payload)] = opened(source, SENDERS[source](PAYLOADS[source], NOW))
    expected = PAYLOADS[source]
    if source == "mailgun":
        payload = payload["event-data"]
    if source == "ses":
        payload = json.loads(payload["Message"])
    assert payload == (expected[0] if isinstance(expected, list) else expected)
    assert message_id


@pytest.mark.parametrize("source", SENDERS)
def test_a_redelivered_request_has_the_same_ids(source: str) -> None:
    first, second = (opened(source, SENDERS[source](PAYLOADS[source], NOW + timedelta(seconds=n))) for n in (0, 1))
    assert [message_id for message_id, _ in first] == [message_id for message_id, _ in second]


NEW_SECRETS = {
    "sendgrid": {"public_key": new_public_key()},
    "postmark": {"username": "new", "password": "new"},
    **{source: {"secret": senders.OTHER_STANDARD_SECRET} for source in ("segment", "shopify")},
    **{"twilio": {"auth_token": "new"}, "mailgun": {"signing_key": "new"}},
    **{provider: {"app_secret": "new"} for provider in ("whatsapp", "messenger")},
    **{"telegram": {"secret_token": "new"}, "ses": {"topic_arns": "arn:aws:sns:us-east-1:1:new"}},
}


@pytest.mark.parametrize("source", SENDERS)
def test_both_secrets_are_accepted_while_one_is_rotated(source: str) -> None:
    request = SENDERS[source](PAYLOADS[source], NOW)
    new = NEW_SECRETS[source]
    with pytest.raises(Refused):
        opened(source, request, checker=verifier(secrets_of({source: new})))
    old = {f"{name}_previous": SECRETS[source][name].get_secret_value() for name in new}  # type: ignore[union-attr]
    rotating = verifier(secrets_of({source: new | old}))
    assert opened(source, request, checker=rotating) == opened(source, request)
    with pytest.raises(UnusableSecret):
        opened(source, request, checker=verifier(secrets_of({source: old})))


def test_an_old_request_is_called_old_while_a_secret_is_rotated() -> None:
    old = SENDERS["segment"](PAYLOADS["segment"], NOW - timedelta(hours=1))
    previous = {"secret_previous": senders_secret("segment"), "secret": OTHER_STANDARD_SECRET}
    with pytest.raises(WrongTime):
        opened("segment", old, checker=verifier(secrets_of({"segment": previous})))


def senders_secret(source: str) -> str:
    return SECRETS[source]["secret"].get_secret_value()  # type: ignore[union-attr]


def test_what_twilio_signs_alike_is_one_delivery() -> None:
    """`NumMedia` and `0` after a value can be read as part of it: the signature is that of the concatenation."""
    form = {"MessageSid": "SM1", "SmsStatus": "received", "NumMedia": "0", "Body": "START"}
    moved = {"MessageSid": "SM1NumMedia0", "SmsStatus": "received", "Body": "START"}
    [[first], [again], [other]] = (
        opened("twilio", SENDERS["twilio"](one, NOW)) for one in (form, moved, {**form, "MessageSid": "SM2"})
    )
    assert first[0] == again[0] != other[0]


SIGNED_BODIES = sorted(SENDERS.keys() - {"postmark", "mailgun", "telegram"})


@pytest.mark.parametrize("source", SIGNED_BODIES)
@given(data=st.data())
def test_one_flipped_bit_of_the_body_is_refused(source: str, data: st.DataObject) -> None:
    request = SENDERS[source](PAYLOADS[source], NOW)
    position = data.draw(st.integers(0, len(request.body) - 1))
    flipped = bytearray(request.body)
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    if _says_the_same(source, request.body, bytes(flipped)):
        return
    with pytest.raises(Refused) as caught:
        opened(source, replace(request, body=bytes(flipped)))
    assert "example.com" not in caught.value.line() and "5550" not in caught.value.line()


def _says_the_same(source: str, body: bytes, flipped: bytes) -> bool:
    """SNS signs the values of some fields, Twilio those of a form; neither signs their encoding."""
    if source == "ses":
        signed = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "SigningCertURL")
        try:
            before, after = json.loads(body), json.loads(flipped)
        except ValueError:
            return False
        return _signature(before) == _signature(after) and all(before.get(name) == after.get(name) for name in signed)
    return source == "twilio" and _fields(body) == _fields(flipped)


def _signature(message: dict[str, Any]) -> bytes | str:
    """The bytes of an SNS signature: the last character of its base64 has several spellings."""
    text = str(message.get("Signature"))
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text


def _fields(form: bytes) -> list[tuple[str, str]]:
    return sorted(parse_qsl(form.decode(errors="replace"), keep_blank_values=True))


@pytest.mark.parametrize("source", SENDERS)
def test_one_flipped_byte_of_any_header_is_refused(source: str) -> None:
    request = SENDERS[source](PAYLOADS[source], NOW)
    names = request.headers.keys() - {"content-type"}
    for name in names:
        value = request.headers[name]
        for changed in (value[:-4] + ("A" if value[-4] != "A" else "B") + value[-3:], value[:-1], "", value + "\u00e9"):
            with pytest.raises(Refused):
                opened(source, replace(request, headers={**request.headers, name: changed}))
        with pytest.raises(Refused):
            left = {other: kept for other, kept in request.headers.items() if other != name}
            opened(source, replace(request, headers=left))
    assert names or source in ("mailgun", "ses")


@pytest.mark.parametrize("source", ["mailgun", "ses"])
def test_one_flipped_byte_of_a_signature_in_the_body_is_refused(source: str) -> None:
    request = SENDERS[source](PAYLOADS[source], NOW)
    body = json.loads(request.body)
    holder, name = (body["signature"], "signature") if source == "mailgun" else (body, "Signature")
    for wrong in ("A" + holder[name][1:], holder[name][:-1], "", "\ud800", None, 7, ["x"]):
        if wrong == holder[name]:
            continue
        changed = {**holder, name: wrong}
        body_changed = {**body, "signature": changed} if source == "mailgun" else changed
        with pytest.raises(Refused):
            opened(source, replace(request, body=json.dumps(body_changed).encode()))


@pytest.mark.parametrize(
    ("source", "old"),
    [
        ("sendgrid", timedelta(minutes=5)),
        ("segment", timedelta(minutes=5)),
        ("ses", timedelta(hours=1, minutes=5)),
        ("mailgun", timedelta(hours=8, minutes=5)),
    ],
)
def test_a_request_is_valid_for_a_limited_time(source: str, old: timedelta) -> None:
    request = SENDERS[source](PAYLOADS[source], NOW)
    assert opened(source, request, now=NOW + old)
    assert opened(source, request, now=NOW - timedelta(minutes=5))
    with pytest.raises(Refused, match="too old"):
        opened(source, request, now=NOW + old + timedelta(seconds=1))
    with pytest.raises(Refused, match="future"):
        opened(source, request, now=NOW - timedelta(minutes=5, seconds=1))


@pytest.mark.parametrize("timestamp", ["soon", "", "-1", "1782907200.5", "9" * 30, "\u0661\u0662", " 1782907200"])
def test_an_invalid_time_is_refused_even_if_signed(timestamp: str) -> None:
    with pytest.raises(Refused):
        standard.verify(_signed_at(timestamp), {"secret": SECRETS["segment"]["secret"].get_secret_value()}, NOW)


def _signed_at(timestamp: str) -> Request:
    digest = hmac.digest(senders.STANDARD_KEY, f"m.{timestamp}.".encode(), "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": "m", "webhook-timestamp": timestamp, "webhook-signature": signature}
    return Request(b"", headers, "")


@pytest.mark.parametrize("source", SENDERS)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"null", b"[", b"[" * 100_000, b"a" * 2_000, b"&" * 5_000])
def test_a_body_of_another_kind_without_a_signature_is_refused(source: str, body: bytes) -> None:
    for content_type in (senders.JSON, senders.FORM, "multipart/form-data", ""):
        with pytest.raises(Refused):
            opened(source, Request(body, {"content-type": content_type}, f"https://cdp.example.com/webhooks/{source}"))


@pytest.mark.parametrize("source", ["sendgrid", "postmark", "whatsapp", "segment"])
def test_a_signed_body_that_is_not_json_is_unreadable(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders.json, "dumps", lambda _: "{no json: ann@example.com}")
    request = SENDERS[source](PAYLOADS[source], NOW)
    monkeypatch.undo()
    with pytest.raises(Unreadable) as caught:
        opened(source, request)
    assert "example.com" not in caught.value.line()


@pytest.mark.parametrize("source", SENDERS)
def test_nothing_is_accepted_without_a_secret(source: str) -> None:
    for secrets in ({}, _all_empty()):
        with pytest.raises(UnusableSecret, match="CDP_WEBHOOKS__") as caught:
            opened(source, SENDERS[source](PAYLOADS[source], NOW), checker=verifier(secrets))
        assert caught.value.http_status == 503


def _all_empty() -> WebhookSecrets:
    return secrets_of({provider: dict.fromkeys(secrets, " ") for provider, secrets in SECRETS.items()})


@pytest.mark.parametrize(
    ("source", "secrets"),
    [
        *(("sendgrid", {"sendgrid": {"public_key": key}}) for key in ("no key", "AAAA", "\u00e4")),
        *(("segment", {"segment": {"secret": secret}}) for secret in ("whsec_no base64", "whsec_", "\u00e4")),
    ],
)
def test_a_secret_of_the_wrong_kind_is_reported_at_the_start(source: str, secrets: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"CDP_WEBHOOKS__{source.upper()}__"):
        verifier(secrets_of(secrets))


# --- items of bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "payload", "ids"),
    [
        ("sendgrid", [{"sg_event_id": "e1"}, {"sg_event_id": "e2"}], ["e1", "e2"]),
        ("sendgrid", [], []),
        ("segment", {"batch": [{"messageId": "m1"}, {"messageId": "m2"}]}, ["m1", "m2"]),
        (
            "whatsapp",
            {
                "entry": [
                    {
                        "changes": [
                            {
                                "value": {
                                    "contacts": [{"wa_id": "14155550100"}],
                                    "statuses": [{"id": "w1", "status": "sent"}, {"id": "w1", "status": "read"}],
                                    "messages": [{"id": "w2"}],
                                }
                            }
                        ]
                    }
                ]
            },
            ["statuses:w1:sent", "statuses:w1:read", "messages:w2"],
        ),
    ],
)
def test_a_body_is_split_into_items(source: str, payload: Any, ids: list[str]) -> None:
    assert [message_id for message_id, _ in opened(source, SENDERS[source](payload, NOW))] == ids


@pytest.mark.parametrize("odd", [None, 7, "", "x" * 300, "a\u0000b", ["e1"]])
def test_a_record_without_a_usable_id_gets_a_content_hash(odd: Any) -> None:
    events = [{"sg_event_id": odd, "event": "open"}, {"sg_event_id": odd, "event": "click"}]
    ids = [message_id for message_id, _ in opened("sendgrid", senders.sendgrid(events, NOW))]
    assert len(set(ids)) == 2 and all(len(message_id) == 64 for message_id in ids)


def test_a_source_without_a_scheme_accepts_standard_webhooks() -> None:
    two = [{"message_id": "m", "instance_id": "i"}, {"message_id": "n", "instance_id": "i"}]
    sent = senders.standard(two, NOW, source="fcm", message_id="msg_9", key=senders.OTHER_STANDARD_KEY)
    [(first, _), (second, _)] = opened("fcm", sent)
    assert (first, second) == ("msg_9:1", "msg_9:2")


@pytest.mark.parametrize("source", ["contacts", "events", "nobody"])
def test_sources_with_a_mapping_file_have_no_webhook(source: str) -> None:
    with pytest.raises(NotFound):
        verifier().webhook_of(source)


# --- Amazon SNS ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_signs_with_sha1_or_sha256(version: str) -> None:
    assert opened("ses", senders.ses(PAYLOADS["ses"], NOW, version, Subject="A subject"))


@pytest.mark.parametrize(
    "more",
    [
        {"TopicArn": "arn:aws:sns:us-east-1:666666666666:mail"},
        {"SignatureVersion": "3"},
        {"Type": "Other"},
        {"Timestamp": "soon"},
        {"Timestamp": "2026-07-01T12:00:00"},
        *(
            {"SigningCertURL": url}
            for url in (
                *("http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem", "file:///etc/passwd", ""),
                "https://sns.us-east-1.amazonaws.com.example.com/SimpleNotificationService-0.pem",
                "https://sns.us-east-1.amazonaws.com@example.com/SimpleNotificationService-0.pem",
                "https://example.com/sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
                "https://bucket.s3.amazonaws.com/SimpleNotificationService-0.pem",
                "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
                "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem/../other",
                *("https://sns.us-east-1.amazonaws.com/other.pem", "https://[", "//sns.us-east-1.amazonaws.com/x"),
            )
        ),
    ],
)
def test_a_foreign_message_causes_no_fetch(more: dict[str, str]) -> None:
    amazon = Amazon()
    with pytest.raises(Refused):
        opened("ses", senders.ses(PAYLOADS["ses"], NOW, **more), checker=verifier(amazon=amazon))
    assert amazon.asked == [] or more == {"SignatureVersion": "3"}


def test_an_authentic_subscription_is_confirmed() -> None:
    amazon = Amazon()
    assert opened("ses", senders.ses_confirmation(NOW), checker=verifier(amazon=amazon)) == []
    assert amazon.asked == [senders.CERTIFICATE_URL, senders.CONFIRM_URL]


@pytest.mark.parametrize("url", ["https://example.com/?Action=ConfirmSubscription", "http://169.254.169.254/", ""])
def test_a_subscription_is_confirmed_at_amazon_only(url: str) -> None:
    amazon = Amazon()
    with pytest.raises(Refused):
        opened("ses", senders.ses_confirmation(NOW, url), checker=verifier(amazon=amazon))
    assert amazon.asked == [senders.CERTIFICATE_URL]


def test_a_forged_confirmation_confirms_nothing() -> None:
    amazon = Amazon()
    request = senders.ses_confirmation(NOW)
    forged = replace(request, body=request.body.replace(b'"Token": "t"', b'"Token": "u"'))
    with pytest.raises(Refused):
        opened("ses", forged, checker=verifier(amazon=amazon))
    assert amazon.asked == [senders.CERTIFICATE_URL]


def test_a_certificate_is_fetched_once() -> None:
    amazon = Amazon()
    checker = verifier(amazon=amazon)
    for _ in range(3):
        opened("ses", senders.ses(PAYLOADS["ses"], NOW), checker=checker)
    assert amazon.asked == [senders.CERTIFICATE_URL]


@pytest.mark.parametrize("certificate", [b"", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_an_invalid_certificate_is_refused(certificate: bytes) -> None:
    with pytest.raises(Refused):
        opened("ses", senders.ses(PAYLOADS["ses"], NOW), checker=verifier(amazon=Amazon(certificate)))


@pytest.mark.parametrize(
    "now", [datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)]
)
def test_a_certificate_is_accepted_only_while_it_is_valid(now: datetime) -> None:
    checker = verifier()
    with pytest.raises(Refused, match="not valid now"):
        checker.open(checker.webhook_of("ses"), senders.ses(PAYLOADS["ses"], now), now)


def test_few_certificates_are_kept_and_nothing_else() -> None:
    asked: list[str] = []

    def answer(url: str) -> bytes:
        asked.append(url)
        if len(asked) == 1:
            raise Unavailable("not now")
        return b"<html>" if len(asked) == 2 else f"-----BEGIN CERTIFICATE-----{url}".encode()

    certificates = Certificates(answer)
    with pytest.raises(Unavailable):
        certificates.at("0")
    assert certificates.at("0") == "<html>"
    for number in [*range(20), 19, 0]:
        assert certificates.at(str(number)) == f"-----BEGIN CERTIFICATE-----{number}"
    assert asked == ["0", "0", *map(str, range(20)), "0"]


class _Provider(BaseHTTPRequestHandler):
    """Responds according to the path."""

    def do_GET(self) -> None:
        body = b"x" * (70_000 if self.path == "/large" else 10)
        self.send_response({"/elsewhere": 302, "/missing": 404}.get(self.path, 200))
        self.send_header("Location", "/here")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Provider) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_url_is_fetched(provider: str) -> None:
    assert fetch(f"{provider}/here") == b"x" * 10


@pytest.mark.parametrize("path", ["/elsewhere", "/missing", "/large"])
def test_a_redirect_an_error_and_a_flood_are_not_followed(provider: str, path: str) -> None:
    with pytest.raises(Unavailable):
        fetch(f"{provider}{path}")


def test_an_unreachable_provider() -> None:
    with pytest.raises(Unavailable):
        fetch("http://127.0.0.1:1/")
