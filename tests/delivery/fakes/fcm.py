"""FCM: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send.

It also grants access tokens, as https://developers.google.com/identity/protocols/oauth2/service-account#httprest says.
"""

from __future__ import annotations

import re
from functools import cache

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.delivery.fakes import Called, Reply, Taken

PROJECT = "alpine-outfitters"
EMAIL = f"sender@{PROJECT}.iam.gserviceaccount.com"
KEY_ID = "key-of-the-fake"
ACCESS_TOKEN = "ya29.of-the-fake"


@cache
def key() -> RSAKey:
    """The service account's key, made when it is first asked for."""
    return RSAKey.generate_key(2048)


def service_account(token_uri: str) -> dict[str, str]:
    """The JSON file that Google makes for a service account."""
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": KEY_ID,
        "private_key": key().as_pem(private=True).decode(),
        "client_email": EMAIL,
        "token_uri": token_uri,
    }


def error(status: int, code: str) -> Reply:
    """An error as FCM reports it, with its own code."""
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    return Reply(status, {"error": {"code": status, "message": "as documented", "details": [detail]}})


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    if called.path == "/token":
        return _granted(called), None
    if called.header("Authorization") != f"Bearer {ACCESS_TOKEN}":
        return Reply(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}), None
    assert (called.method, called.path) == ("POST", f"/v1/projects/{PROJECT}/messages:send"), called.path
    message = called.json["message"]
    assert set(called.json) == {"message"}
    assert set(message) <= {"token", "notification", "data", "android", "apns", "webpush", "fcm_options"}
    assert message["notification"].keys() == {"title", "body"}
    assert all(isinstance(value, str) for value in message["data"].values())
    assert not {"from", "message_type"} & message["data"].keys()
    assert re.fullmatch(r"\d+(\.\d{1,9})?s", message["android"]["ttl"])
    assert all(value.isdigit() for value in message["apns"]["headers"].values())
    assert all(value.isdigit() for value in message["webpush"]["headers"].values())
    message_id = message["data"]["message_id"]
    name = f"projects/{PROJECT}/messages/0:{message_id}"
    return Reply(200, {"name": name}), Taken("fcm", message_id, message["token"], message)


def _granted(called: Called) -> Reply:
    form = called.form
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    try:
        token = jwt.decode(form["assertion"], key(), algorithms=["RS256"])
    except JoseError:
        return Reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    assert token.header["kid"] == KEY_ID
    assert token.claims["iss"] == EMAIL
    assert token.claims["aud"].endswith("/fcm/token")
    assert token.claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    assert 0 < token.claims["exp"] - token.claims["iat"] <= 3600
    return Reply(200, {"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"})
