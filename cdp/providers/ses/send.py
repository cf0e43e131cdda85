"""Amazon SES's API, v2.

Format: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. Our id travels in `EmailTags`, which
SES publishes with the events of the message (`mail.tags`) if it is sent with a configuration set that has a
destination for them: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html. Requests are signed
with AWS Signature Version 4:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formataddr
from urllib.parse import quote

import httpx

from cdp.delivery import Accepted, Dispatch, Email, Outcome, Retry, Setting, Settings
from cdp.delivery.http import HttpSender, json_of, outcome_of_status, retry_after, text_in

_ALGORITHM = "AWS4-HMAC-SHA256"

# What is wrong with the account or exceeds its quotas has the same status as a wrong message, 400.
_ACCOUNTS = (
    "AccountSuspendedException",
    "LimitExceededException",
    "MailFromDomainNotVerifiedException",
    "SendingPausedException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
# A message is also rejected for an identity that is not verified, and only the text says so:
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_NOT_VERIFIED = "Email address is not verified"


def request(dispatch: Dispatch, settings: Settings, now: datetime) -> httpx.Request:
    """The request for an e-mail, signed."""
    content = dispatch.content
    assert isinstance(content, Email)
    configuration = {"ConfigurationSetName": settings["configuration_set"]} if settings["configuration_set"] else {}
    base_url = settings["base_url"] or f"https://email.{settings['region']}.amazonaws.com"
    mail = {
        **configuration,
        "FromEmailAddress": formataddr((dispatch.sender, settings["from_address"])),
        "Destination": {"ToAddresses": [dispatch.address]},
        "Content": {
            "Simple": {
                "Subject": _utf8(content.subject),
                "Body": {"Text": _utf8(content.text), "Html": _utf8(content.html)},
                "Headers": [{"Name": name, "Value": value} for name, value in content.headers.items()],
            }
        },
        "EmailTags": [{"Name": "message_id", "Value": dispatch.message_id}],
    }
    unsigned = httpx.Request(
        "POST",
        f"{base_url}/v2/email/outbound-emails",
        headers={"Content-Type": "application/json"},
        content=json.dumps(mail).encode(),
    )
    headers = {**unsigned.headers, **signing_headers(unsigned, settings, "ses", now)}
    return httpx.Request(unsigned.method, unsigned.url, headers=headers, content=unsigned.content)


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def signing_headers(request: httpx.Request, settings: Settings, service: str, now: datetime) -> Mapping[str, str]:
    """The headers that sign the host, the content type, the path, the query and the body of a request at a time."""
    time = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    signed = {name: request.headers[name].strip() for name in ("content-type", "host") if name in request.headers}
    signed["x-amz-date"] = time
    names = ";".join(signed)
    canonical_request = "\n".join(
        [
            request.method,
            # The path is encoded once more than it travels, for every service but S3.
            quote(request.url.raw_path.split(b"?")[0].decode(), safe="/~"),
            "&".join(sorted(request.url.query.decode().split("&"))),
            *(f"{name}:{value}" for name, value in signed.items()),
            "",
            names,
            hashlib.sha256(request.content).hexdigest(),
        ]
    )
    scope = f"{time[:8]}/{settings['region']}/{service}/aws4_request"
    text = "\n".join([_ALGORITHM, time, scope, hashlib.sha256(canonical_request.encode()).hexdigest()])
    key = f"AWS4{settings['secret_access_key']}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    credential = f"Credential={settings['access_key_id']}/{scope}"
    signature = f"Signature={_hmac(key, text).hex()}"
    return {"X-Amz-Date": time, "Authorization": f"{_ALGORITHM} {credential}, SignedHeaders={names}, {signature}"}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    answer = json_of(response)
    if response.status_code == httpx.codes.OK:
        return Accepted(text_in(answer, "MessageId"))
    code = _code_of(response)
    if response.status_code == httpx.codes.BAD_REQUEST:
        if code in _ACCOUNTS:
            return Retry(f"http_400_{code}", retry_after(response))
        if str(answer.get("message", "")).startswith(_NOT_VERIFIED):
            return Retry("http_400_not_verified")
    return outcome_of_status(response, code)


def _code_of(response: httpx.Response) -> str | None:
    """The name of the error; a URI may follow it."""
    name = response.headers.get("X-Amzn-ErrorType", "").split(":")[0]
    return name if re.fullmatch("[A-Za-z]{1,64}", name) else None


SENDER = HttpSender(
    channels=("email",),
    settings=(
        Setting("access_key_id", "the id of an access key with the right ses:SendEmail"),
        Setting("secret_access_key", "its secret"),
        Setting("region", "the region of AWS, such as eu-central-2"),
        Setting("from_address", "the address that mails come from: a verified identity"),
        Setting("configuration_set", "the configuration set that publishes the events", ""),
        Setting("base_url", "the API; that of the region if it is empty", ""),
    ),
    request=request,
    outcome=outcome,
)
