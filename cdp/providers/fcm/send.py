"""Firebase Cloud Messaging's HTTP v1 API.

Messages: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages. Errors:
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode. Access tokens:
https://developers.google.com/identity/protocols/oauth2/service-account#httprest. Our id travels in `data`,
for the app; the export to BigQuery (`source.py`) has the last part of the name that the answer tells. Analytics labels
are no place for an id: Firebase reports a hundred of them a day.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from cdp.delivery import Accepted, Dispatch, Outcome, Push, Refused, Retry, Setting, Settings
from cdp.delivery.http import Authorisation, HttpSender, json_of, outcome_of_status, retry_after

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_LIFE = timedelta(hours=1)
# A token must not expire on its way.
_MARGIN = timedelta(minutes=5)
_LONGEST_TTL = timedelta(weeks=4)

# Google does not say what a token looks like. It is neither a browser's subscription, which is JSON, nor one of APNs.
_TOKEN = re.compile(r"[A-Za-z0-9_:.~%-]+")
_TOKEN_OF_APNS = re.compile(r"[0-9A-Fa-f]{64,}")
_CODE = re.compile(r"[A-Z_]{1,40}")


def can_send_to(address: str) -> bool:
    """Whether an address looks like a registration token."""
    return bool(_TOKEN.fullmatch(address)) and not _TOKEN_OF_APNS.fullmatch(address)


def request(dispatch: Dispatch, settings: Settings, now: datetime) -> httpx.Request:
    """The request for a notification, which is still to be authorised."""
    content = dispatch.content
    assert isinstance(content, Push)
    ttl = str(int(max(timedelta(0), min(dispatch.expires_at - now, _LONGEST_TTL)).total_seconds()))
    data = {**content.data, "message_id": dispatch.message_id}
    if content.url is not None:
        data["url"] = content.url
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/v1/projects/{settings['project_id']}/messages:send",
        json={
            "message": {
                "token": dispatch.address,
                "notification": {"title": content.title, "body": content.body},
                "data": data,
                "android": {"ttl": f"{ttl}s"},
                "apns": {"headers": {"apns-expiration": str(int(dispatch.expires_at.timestamp()))}},
                "webpush": {"headers": {"TTL": ttl}},
            }
        },
    )


def authorise(client: httpx.Client, settings: Settings, now: datetime) -> Authorisation | Retry:
    """An access token, for a statement that is signed with the service account's key."""
    issued_at = int(now.timestamp())
    try:
        account = json.loads(Path(settings["service_account"]).read_text())
        url = httpx.URL(account["token_uri"])
        claims = {
            "iss": account["client_email"],
            "scope": _SCOPE,
            "aud": account["token_uri"],
            "iat": issued_at,
            "exp": issued_at + int(_TOKEN_LIFE.total_seconds()),
        }
        header = {"alg": "RS256", "kid": account["private_key_id"]}
        assertion = jwt.encode(header, claims, RSAKey.import_key(account["private_key"]))
    except (OSError, ValueError, KeyError, TypeError, JoseError, httpx.InvalidURL):
        return Retry("bad_service_account")
    response = client.post(url, data={"grant_type": _GRANT, "assertion": assertion})
    answer = json_of(response)
    token, seconds = answer.get("access_token"), answer.get("expires_in")
    if response.status_code != httpx.codes.OK or not isinstance(token, str) or not isinstance(seconds, int):
        return Retry(f"authorisation_http_{response.status_code}", retry_after(response))
    return Authorisation(f"Bearer {token}", now + timedelta(seconds=seconds) - _MARGIN)


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    if response.status_code == httpx.codes.OK:
        name = json_of(response).get("name")
        return Accepted(name.rpartition("/")[2] if isinstance(name, str) else None)
    code = _code_of(response)
    if code in ("UNREGISTERED", "SENDER_ID_MISMATCH"):
        return Refused(f"http_{response.status_code}_{code}", is_address_gone=True)
    return outcome_of_status(response, code)


def _code_of(response: httpx.Response) -> str | None:
    """FCM's own code of an error; other details, such as the field that was wrong, have none."""
    error = json_of(response).get("error")
    details = error.get("details") if isinstance(error, dict) else None
    codes = [one.get("errorCode") for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return next((code for code in codes if isinstance(code, str) and _CODE.fullmatch(code)), None)


SENDER = HttpSender(
    channels=("push",),
    settings=(
        Setting("service_account", "the path of a service account's key, the JSON file that Google makes"),
        Setting("project_id", "the id of the Firebase project"),
        Setting("base_url", "the API", "https://fcm.googleapis.com"),
    ),
    request=request,
    outcome=outcome,
    authorise=authorise,
    suits=can_send_to,
)
