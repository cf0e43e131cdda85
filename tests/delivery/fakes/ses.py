"""Amazon SES: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html.

Signatures are verified with the steps of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import reduce

from tests.delivery.fakes import Called, Reply, Taken

KEY_ID = "AKIDOFTHEFAKE"
SECRET = "secret-of-the-fake"
REGION = "eu-central-2"
UNVERIFIED = "unverified.example"
_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(.+?)/(.+), SignedHeaders=(.+), Signature=([0-9a-f]{64})")


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    if wrong := _wrong_signature(called):
        return _error(403, wrong), None
    assert (called.method, called.path) == ("POST", "/v2/email/outbound-emails"), called.path
    mail = called.json
    assert mail.get("ConfigurationSetName") != "", "a name has at least one character"
    if mail.get("ConfigurationSetName", "events") != "events":
        return _error(404, "NotFoundException"), None
    [to] = mail["Destination"]["ToAddresses"]
    if "@" not in to:
        return _error(400, "BadRequestException", "Missing final '@domain'"), None
    if UNVERIFIED in mail["FromEmailAddress"]:
        text = "Email address is not verified. The following identities failed the check in region: news@"
        return _error(400, "MessageRejected", text + UNVERIFIED), None
    # Other characters than those of ASCII are written as encoded words.
    assert mail["FromEmailAddress"].isascii()
    simple = mail["Content"]["Simple"]
    assert all(part["Data"] and part["Charset"] == "UTF-8" for part in (simple["Subject"], *simple["Body"].values()))
    assert simple["Body"].keys() == {"Text", "Html"}
    for header in simple["Headers"]:
        assert re.fullmatch(r"[!-9;-@A-~]{1,126}", header["Name"]) and re.fullmatch(r"[ -~]{1,870}", header["Value"])
    [tag] = mail["EmailTags"]
    assert tag["Name"] == "message_id" and re.fullmatch(r"[A-Za-z0-9_-]{1,256}", tag["Value"])
    return Reply(200, {"MessageId": f"ses-{tag['Value']}"}), Taken("ses", tag["Value"], to, mail)


def _wrong_signature(called: Called) -> str | None:
    """The error of a request that is not signed as documented."""
    found = _AUTHORIZATION.fullmatch(called.header("Authorization"))
    if not found:
        return "MissingAuthenticationTokenException"
    key_id, scope, names, signature = found.groups()
    if key_id != KEY_ID:
        return "UnrecognizedClientException"
    time = called.header("X-Amz-Date")
    if abs(datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - datetime.now(UTC)) > timedelta(minutes=5):
        return "InvalidSignatureException"
    assert {"host", "x-amz-date"} <= set(names.split(";")) and names == ";".join(sorted(names.split(";")))
    lines = "".join(f"{name}:{called.header(name).strip()}\n" for name in names.split(";"))
    body_hash = hashlib.sha256(called.body).hexdigest()
    # The path as it was signed: the fake's base URL has one, too.
    canonical = f"{called.method}\n/ses{called.path}\n\n{lines}\n{names}\n{body_hash}"
    day = time.split("T")[0]
    keyed = [day, REGION, "ses", "aws4_request"]
    text = f"AWS4-HMAC-SHA256\n{time}\n{'/'.join(keyed)}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = reduce(
        lambda key, part: hmac.digest(key, part.encode(), "sha256"), [*keyed, text], b"AWS4" + SECRET.encode()
    ).hex()
    is_right = scope == "/".join(keyed) and hmac.compare_digest(key, signature)
    return None if is_right else "SignatureDoesNotMatch"


def _error(status: int, name: str, message: str = "") -> Reply:
    uri = "http://internal.amazon.com/coral/com.amazonaws.sesv2/"
    return Reply(status, {"message": message}, {"x-amzn-ErrorType": f"{name}:{uri}"})
