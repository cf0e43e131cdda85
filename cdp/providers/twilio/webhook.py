"""Twilio's requests: HMAC-SHA1 over the public URL and the sorted parameters, or over a URL with the body's hash.

Format: https://www.twilio.com/docs/usage/security#validating-requests. Twilio signs the URL configured in its
console, sometimes with the port and sometimes without, so both are tried, as in Twilio's libraries. The scheme has no
timestamp. The URL of a status callback has our own id of the message in its query (`send.py`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import SplitResult, parse_qs, urlsplit

from cdp.webhooks import Answer, Item, Refused, Request, Secret, Secrets, Webhook, same
from cdp.webhooks.payloads import form_fields, item, records

SIGNATURE = "X-Twilio-Signature"
MESSAGE_ID = "message_id"

_EMPTY_REPLY = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_PORTS = {"https": 443, "http": 80}


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the URL and the parameters (or the URL and the body's hash) are signed with the token."""
    given = request.header(SIGNATURE)
    body_hash = _body_hash(request)
    if body_hash is not None and not same(body_hash.lower(), hashlib.sha256(request.body).hexdigest()):
        raise Refused("the body does not match bodySHA256")
    parameters = "" if body_hash is not None else _signed_parameters(form_fields(request))
    key = secrets["auth_token"].encode()
    matches = [same(given, _signature(key, url + parameters)) for url in _spellings(request.url)]
    if not any(matches):
        raise Refused(
            "the signature does not match", hint="CDP_PUBLIC_URL must match the URL configured in Twilio's console"
        )


def items(request: Request) -> list[Item]:
    """A form, with the message's id in the query, is one item, known by the text signed; each JSON record is an item.

    The text is a concatenation, so characters can be moved from a name to the value before it under the same signature.
    Whatever is read from it then, it is the same delivery.
    """
    if _body_hash(request) is not None:
        return [item(record) for record in records(request)]
    fields = form_fields(request)
    signed = urlsplit(request.url).query + _signed_parameters(fields)
    message_id = _in_query(request, MESSAGE_ID)
    told = dict(fields) if message_id is None else {**dict(fields), MESSAGE_ID: message_id}
    return [item(told, hashlib.sha256(signed.encode()).hexdigest())]


def answer(request: Request) -> Answer:
    """Answer an inbound message with empty TwiML, and a status callback with no content."""
    is_message = _body_hash(request) is None and "MessageStatus" not in dict(form_fields(request))
    return Answer(200, "text/xml", _EMPTY_REPLY) if is_message else Answer(204)


def _body_hash(request: Request) -> str | None:
    return _in_query(request, "bodySHA256")


def _in_query(request: Request, name: str) -> str | None:
    found = parse_qs(urlsplit(request.url).query, keep_blank_values=True).get(name)
    return found[-1] if found else None


def _signed_parameters(fields: Sequence[tuple[str, str]]) -> str:
    """Names and values, sorted and concatenated; duplicate pairs count once."""
    return "".join(name + value for name, value in sorted(set(fields)))


def _signature(key: bytes, text: str) -> str:
    return base64.b64encode(hmac.digest(key, text.encode(), "sha1")).decode()


def _spellings(url: str) -> Iterator[str]:
    """The URL without and with an explicit port."""
    parts = urlsplit(url)
    yield _with_port(parts, None)
    yield _with_port(parts, parts.port or _PORTS.get(parts.scheme))


def _with_port(parts: SplitResult, port: int | None) -> str:
    user = parts.netloc.rpartition("@")[0]
    host = parts.hostname or ""
    place = f"{user}@{host}" if user else host
    return parts._replace(netloc=place if port is None else f"{place}:{port}").geturl()


WEBHOOK = Webhook(
    provider="twilio",
    secrets=(Secret("auth_token", "the account's auth token"),),
    verify=verify,
    items=items,
    answer=answer,
)
