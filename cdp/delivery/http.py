"""Senders over HTTP, and what a broken exchange says of the message.

A message is surely not taken if the provider cannot be reached, or says so. Once the request is on its way, a lost
answer may stand for a message that was taken: sending it again may send it twice.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock

import httpx

from cdp.delivery import Dispatch, InDoubt, Outcome, Refused, Retry, Setting, Settings

# httpx logs every URL, and that of a provider may hold a secret, such as a bot's token.
logging.getLogger("httpx").setLevel(logging.WARNING)

# The time to connect, and to wait for the answer.
_TIMEOUT = httpx.Timeout(30, connect=5, pool=30)
# A provider may close an idle connection just as we use it, and we would not know whether it took the message.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=5)
# Before these are raised, no byte of the request has left.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

# After a failure to get an authorisation, so that the messages that waited for it do not each wait for the next one.
_PAUSE = timedelta(seconds=5)


@dataclass(frozen=True)
class Authorisation:
    """What the header `Authorization` says, and when to make it anew."""

    header: str
    renew_at: datetime


# An outcome instead of a request: the message cannot be sent as it is.
WriteRequest = Callable[[Dispatch, Settings, datetime], httpx.Request | Refused | Retry]
ReadResponse = Callable[[httpx.Response], Outcome]
Authorise = Callable[[httpx.Client, Settings, datetime], Authorisation | Retry]


@dataclass(frozen=True)
class HttpSender:
    """A sender over HTTP.

    request: writes the request for a message. It is pure; the time is the current one, for signatures.
    outcome: reads the answer, whatever its status. It is pure; `outcome_of_status` judges what says no more than that.
    authorise: makes the header `Authorization` where it is kept for many messages, or takes a request of its own.
    suits: whether an address is one of this provider's, where several share a channel.
    is_http2: the provider speaks HTTP/2 only.
    """

    channels: tuple[str, ...]
    settings: tuple[Setting, ...]
    request: WriteRequest
    outcome: ReadResponse
    authorise: Authorise | None = None
    suits: Callable[[str], bool] = lambda _: True
    is_http2: bool = False

    @contextmanager
    def opened(self, settings: Settings) -> Iterator[HttpTransport]:
        with httpx.Client(
            timeout=_TIMEOUT,
            limits=_LIMITS,
            http1=not self.is_http2,
            http2=self.is_http2,
            follow_redirects=False,
        ) as client:
            yield HttpTransport(self, settings, client)


@dataclass
class _Kept:
    """What `authorise` has made, and until when it holds."""

    made: tuple[Authorisation | Retry, datetime] | None = None
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True)
class HttpTransport:
    """A sender with its client, which keeps connections."""

    sender: HttpSender
    settings: Settings
    client: httpx.Client
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _kept: _Kept = field(default_factory=_Kept, init=False)

    def send(self, dispatch: Dispatch) -> Outcome:
        try:
            request = self.sender.request(dispatch, self.settings, self.clock())
        # Text that has no encoding, such as half of a surrogate pair.
        except ValueError:
            return Refused("malformed_message")
        if not isinstance(request, httpx.Request):
            return request
        if self.sender.authorise:
            authorisation = self._authorised(self.sender.authorise)
            if isinstance(authorisation, Retry):
                return authorisation
            request.headers["Authorization"] = authorisation.header
        try:
            response = self._answer_to(request)
        except _NOT_SENT as error:
            return Retry(_name_of(error))
        except httpx.TransportError as error:
            return InDoubt(_name_of(error))
        except httpx.DecodingError:
            return InDoubt("unreadable_answer")
        return self.sender.outcome(response)

    def _answer_to(self, request: httpx.Request) -> httpx.Response:
        """The answer; of a long one, the beginning. Not every server is one that we have chosen."""
        response = self.client.send(request, stream=True)
        content = b""
        try:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _LONGEST_ANSWER:
                    break
        finally:
            response.close()
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_TRANSFER]
        return httpx.Response(response.status_code, headers=headers, content=content, request=request)

    def _authorised(self, authorise: Authorise) -> Authorisation | Retry:
        """The authorisation that is kept, or a new one. The message has not left yet, whatever goes wrong."""
        asked_at = self.clock()
        with self._kept.lock:
            if self._kept.made and asked_at < self._kept.made[1]:
                return self._kept.made[0]
            try:
                made = authorise(self.client, self.settings, self.clock())
            except httpx.RequestError as error:
                made = Retry(f"authorisation_{_name_of(error)}")
            self._kept.made = made, self.clock() + _PAUSE if isinstance(made, Retry) else made.renew_at
            return made


def basic_auth(user: str, password: str) -> str:
    """The header `Authorization` of HTTP Basic (RFC 7617)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def outcome_of_status(response: httpx.Response, code: str | None = None) -> Outcome:
    """What the status of an answer other than success says of the message.

    Args:
        code: the provider's own code of the error, without personal data.
    """
    status = response.status_code
    error = f"http_{status}" if code is None else f"http_{status}_{code}"
    if status in (408, 425, 429, 503):
        return Retry(error, retry_after(response))
    # Wrong credentials or rights, or a wrong URL: another provider may take it, and so does this one when mended.
    if status in (401, 402, 403, 404, 405, 407) or 300 <= status < 400:
        return Retry(error)
    if 400 <= status < 500:
        return Refused(error)
    return InDoubt(error)


def retry_after(response: httpx.Response) -> timedelta | None:
    """The time that `Retry-After` asks to wait: seconds, or an HTTP date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return wait_of(int(value))
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(timedelta(0), min(at - datetime.now(UTC), timedelta(seconds=_LONGEST_WAIT_SECONDS)))


def wait_of(seconds: int) -> timedelta:
    """The time that a provider asks to wait; no message waits for longer than a day."""
    return timedelta(seconds=min(seconds, _LONGEST_WAIT_SECONDS))


_LONGEST_ANSWER = 65_536
_OF_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")
_LONGEST_WAIT_SECONDS = 86_400


def json_of(response: httpx.Response) -> Mapping[str, object]:
    """The JSON object of an answer; empty if it has none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def text_in(answer: Mapping[str, object], name: str) -> str | None:
    """The text under a key of an answer, such as the provider's id; None if there is none."""
    found = answer.get(name)
    return found if isinstance(found, str) else None


def _name_of(error: httpx.RequestError) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(error).__name__).strip("_")
