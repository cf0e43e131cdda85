"""Apple Push Notification service.

Requests: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns. Answers:
https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns. Tokens:
https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns. Our id
travels in the payload, for the app, and as a UUID that is made of it in `apns-id`, because Apple takes no other form.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from cdp.delivery import Accepted, Dispatch, Outcome, Push, Refused, Retry, Setting, Settings
from cdp.delivery.http import Authorisation, HttpSender, json_of, outcome_of_status

# Apple takes a token for an hour, and wants no new one within 20 minutes.
_RENEW_AFTER = timedelta(minutes=40)
_LARGEST_PAYLOAD = 4_096
_TOKEN = re.compile(r"(?:[0-9A-Fa-f]{2}){32,}")
_REASON = re.compile(r"[A-Za-z]{1,40}")
_GONE = ("BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken")
# Apple answers these with 400, but another message would fare no better: the topic or the key's rights are wrong.
_MISCONFIGURED = ("BadTopic", "MissingTopic", "TopicDisallowed")


def can_send_to(address: str) -> bool:
    """Whether an address looks like a device token: bytes in hex, of a length that Apple may change."""
    return bool(_TOKEN.fullmatch(address))


def request(dispatch: Dispatch, settings: Settings, _now: datetime) -> httpx.Request | Refused:
    """The request for a notification, which is still to be authorised."""
    content = dispatch.content
    assert isinstance(content, Push)
    if not can_send_to(dispatch.address):
        return Refused("bad_device_token", is_address_gone=True)
    alert = {"title": content.title, "body": content.body}
    payload = {**content.data, "aps": {"alert": alert}, "message_id": dispatch.message_id}
    if content.url is not None:
        payload["url"] = content.url
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > _LARGEST_PAYLOAD:
        return Refused("payload_too_large")
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/3/device/{dispatch.address}",
        headers={
            "Content-Type": "application/json",
            "apns-topic": settings["topic"],
            "apns-push-type": "alert",
            "apns-expiration": str(int(dispatch.expires_at.timestamp())),
            "apns-id": apns_id(dispatch.message_id),
        },
        content=body,
    )


def apns_id(message_id: str) -> str:
    """The UUID of a message at Apple: the same for a repeat."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, message_id))


def authorise(_client: httpx.Client, settings: Settings, now: datetime) -> Authorisation | Retry:
    """A provider token, signed with the key."""
    try:
        key = ECKey.import_key(Path(settings["key"]).read_bytes())
        header = {"alg": "ES256", "kid": settings["key_id"]}
        token = jwt.encode(header, {"iss": settings["team_id"], "iat": int(now.timestamp())}, key)
    except (OSError, ValueError, JoseError):
        return Retry("bad_key")
    return Authorisation(f"bearer {token}", now + _RENEW_AFTER)


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    if response.status_code == httpx.codes.OK:
        return Accepted(response.headers.get("apns-id"))
    found = json_of(response).get("reason")
    reason = found if isinstance(found, str) and _REASON.fullmatch(found) else None
    error = f"http_{response.status_code}" if reason is None else f"http_{response.status_code}_{reason}"
    if response.status_code == httpx.codes.GONE or reason in _GONE:
        return Refused(error, is_address_gone=True)
    if reason in _MISCONFIGURED:
        return Retry(error)
    return outcome_of_status(response, reason)


SENDER = HttpSender(
    channels=("push",),
    settings=(
        Setting("key", "the path of an authentication key, the .p8 file that Apple makes"),
        Setting("key_id", "the key's id"),
        Setting("team_id", "the id of the developer team"),
        Setting("topic", "the app's bundle id"),
        Setting("base_url", "the API, which development builds have their own of", "https://api.push.apple.com"),
    ),
    request=request,
    outcome=outcome,
    authorise=authorise,
    suits=can_send_to,
    is_http2=True,
)
