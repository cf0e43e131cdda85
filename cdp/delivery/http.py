"""Senders over HTTP, and what a broken exchange says of the message.

A message is surely not taken if the provider cannot be reached, or says so. Once the request is on its way, a lost
answer may stand for a message that was taken: sending it again may send it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from cdp.delivery import Dispatch, InDoubt, Outcome, Refused, Retry, Setting, Settings

# The time to connect, and to wait for the answer.
_TIMEOUT = httpx.Timeout(30, connect=5, pool=30)
# A provider may close an idle connection just as we use it, and we would not know whether it took the message.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=5)
# Before these are raised, no byte of the request has left.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

WriteRequest = Callable[[Dispatch, Settings, datetime], httpx.Request]
ReadResponse = Callable[[httpx.Response], Outcome]
# Makes the header `Authorization` where it takes a request of its own, such as OAuth.
Authorise = Callable[[httpx.Client, Settings, datetime], str]


@dataclass(frozen=True)
class HttpSender:
    """A sender over HTTP.

    request: writes the request for a message. It is pure; the time is the current one, for signatures.
    outcome: reads the answer, whatever its status. It is pure; `outcome_of_status` judges what says no more than that.
    is_http2: the provider speaks HTTP/2 only.
    """

    channels: tuple[str, ...]
    settings: tuple[Setting, ...]
    request: WriteRequest
    outcome: ReadResponse
    is_http2: bool = False

    @contextmanager
    def opened(self, settings: Settings) -> Iterator[HttpTransport]:
        with httpx.Client(timeout=_TIMEOUT, limits=_LIMITS, http2=self.is_http2, follow_redirects=False) as client:
            yield HttpTransport(self, settings, client)


@dataclass(frozen=True)
class HttpTransport:
    """A sender with its client, which keeps connections."""

    sender: HttpSender
    settings: Settings
    client: httpx.Client
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def send(self, dispatch: Dispatch) -> Outcome:
        request = self.sender.request(dispatch, self.settings, self.clock())
        try:
            response = self.client.send(request)
        except _NOT_SENT as error:
            return Retry(_name_of(error))
        except httpx.TransportError as error:
            return InDoubt(_name_of(error))
        except httpx.DecodingError:
            return InDoubt("unreadable_answer")
        return self.sender.outcome(response)


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
    if status in (401, 403, 404, 405, 407) or 300 <= status < 400:
        return Retry(error)
    if 400 <= status < 500:
        return Refused(error)
    return InDoubt(error)


def retry_after(response: httpx.Response) -> timedelta | None:
    """The time that `Retry-After` asks to wait: seconds, or an HTTP date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value), _LONGEST_WAIT_SECONDS))
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(timedelta(0), min(at - datetime.now(UTC), timedelta(seconds=_LONGEST_WAIT_SECONDS)))


_LONGEST_WAIT_SECONDS = 86_400


def json_of(response: httpx.Response) -> Mapping[str, object]:
    """The JSON object of an answer; empty if it has none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _name_of(error: httpx.TransportError) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(error).__name__).strip("_")
