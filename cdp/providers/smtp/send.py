"""SMTP (https://www.rfc-editor.org/rfc/rfc5321): a company's own mail server, or the relay of a provider.

Nothing of an e-mail is taken before DATA. From there on, a lost answer may stand for an e-mail that was taken. Our id
travels in `Message-ID` and `X-Message-Id`; nothing is reported later, and bounces go to the address that mails come
from.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from cdp.delivery import Accepted, Dispatch, Email, InDoubt, Outcome, Refused, Retry, Setting, Settings
from cdp.errors import ConfigurationError

_CONNECT_SECONDS = 10
# A server may take its time to answer, above all at the end of the message.
_ANSWER_SECONDS = 60
# A connection that was idle for longer may be gone without a word, and asking would take as long as an answer may.
_IDLE_SECONDS = 30
_LEAVE_SECONDS = 2
_SECURITIES = ("starttls", "tls", "none")
_ADDRESS = re.compile(r'[^\s\x00-\x1f\x7f-\x9f<>()\[\]\\,;:"@]+@[^\s\x00-\x1f\x7f-\x9f<>()\[\]\\,;:"@]+')
_HEADER_NAME = re.compile(r"[!-9;-~]+")
# Everything that ends a line anywhere, and what has no place in a header.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# RFC 5322 allows 998 characters a line.
_LONGEST_LINE = 900
# RFC 2047 allows encoded words of 75.
_LONGEST_WORD = 75
# No such mailbox, not here, not allowed, or a domain without mail.
_REFUSED_RECIPIENT = (550, 551, 553, 556)
_NO_SUCH_MAILBOX = "5.1.1"
# Many servers say what is wrong with the sender's address only when they hear the recipient's.
_SENDERS_ADDRESS = (".1.7", ".1.8")


def message(dispatch: Dispatch, settings: Settings, now: datetime) -> bytes:
    """The e-mail as it travels.

    Raises:
        ValueError: a header has an impossible name, or the text has characters that no encoding has.
    """
    content = dispatch.content
    assert isinstance(content, Email)
    sender = settings["from_address"]
    # EmailMessage would fold long URLs into encoded words, which no mail program follows: it writes the body only.
    body = EmailMessage(policy.SMTP.clone(cte_type="7bit"))
    body.set_content(content.text)
    body.add_alternative(content.html, subtype="html")
    headers = {
        "From": formataddr((_one_line(dispatch.sender), sender)),
        "To": dispatch.address,
        "Subject": _encoded(content.subject),
        "Date": format_datetime(now),
        "Message-ID": f"<{_one_line(dispatch.message_id)}@{sender.partition('@')[2]}>",
        "X-Message-Id": _encoded(dispatch.message_id),
        **{_named(name): _encoded(value) for name, value in content.headers.items()},
    }
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + body.as_bytes()


def _one_line(text: str) -> str:
    return _CONTROLS.sub(" ", text).strip()


def _encoded(text: str) -> str:
    """A header's text in ASCII, on as many lines as it takes."""
    line = _one_line(text)
    if line.isascii() and len(line) < _LONGEST_LINE:
        return line
    return Header(line, "utf-8", maxlinelen=_LONGEST_WORD).encode(linesep="\r\n")


def _named(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header's name has other characters than those allowed")
    return name


def handed_over(connection: smtplib.SMTP, sender: str, recipient: str, content: bytes) -> Outcome:
    """What becomes of an e-mail that is handed over on a connection."""
    if not recipient.isascii() and not connection.has_extn("smtputf8"):
        return Retry("smtputf8_not_supported", is_providers=False)
    try:
        code, text = connection.mail(sender, () if recipient.isascii() else ("SMTPUTF8",))
        if code != 250:
            return Retry(_error(code, text))
        code, text = connection.rcpt(recipient)
        if code not in (250, 251):
            return _without_data(code, text)
    except OSError as error:
        return Retry(_name_of(error))
    try:
        code, text = connection.data(content)
    except smtplib.SMTPDataError as error:
        return _without_data(error.smtp_code, error.smtp_error)
    except OSError as error:
        return InDoubt(_name_of(error))
    if 200 <= code < 300:
        return Accepted()
    if 400 <= code < 500:
        return Retry(_error(code, text), is_providers=not _is_recipients(text))
    if 500 <= code < 600:
        return Refused(_error(code, text), is_address_gone=_status(text) == _NO_SUCH_MAILBOX)
    return InDoubt(_error(code, text))


def _without_data(code: int, text: bytes | str) -> Outcome:
    """What an answer other than success to RCPT, or to DATA before the message, says of it.

    Other permanent errors, such as relaying denied, are about us: another provider may take the message.
    """
    error, status = _error(code, text), _status(text) or ""
    is_refused = code in _REFUSED_RECIPIENT or (code >= 500 and status.startswith("5.1."))
    if is_refused and not status.endswith(_SENDERS_ADDRESS):
        return Refused(error, is_address_gone=status == _NO_SUCH_MAILBOX)
    return Retry(error, is_providers=not _is_recipients(text))


def _status(text: bytes | str) -> str | None:
    """The enhanced status at the beginning of an answer's text (RFC 3463)."""
    words = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    found = re.match(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)", words, re.ASCII)
    return found[0] if found else None


def _is_recipients(text: bytes | str) -> bool:
    """Whether an answer is about the recipient's address or mailbox, such as one that is full."""
    status = _status(text) or ""
    return status[1:4] in (".1.", ".2.") and not status.endswith(_SENDERS_ADDRESS)


def _error(code: int, text: bytes | str) -> str:
    status = _status(text)
    return f"smtp_{code}_{status}" if status else f"smtp_{code}"


def _name_of(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _error(error.smtp_code, error.smtp_error)
    return re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(error).__name__).lower()


@dataclass(frozen=True)
class SmtpTransport:
    """A sender with the connections that are idle: as many as threads ever sent at once."""

    settings: Settings
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _idle: list[tuple[smtplib.SMTP, float]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, dispatch: Dispatch) -> Outcome:
        if not _ADDRESS.fullmatch(dispatch.address):
            return Refused("malformed_address")
        try:
            content = message(dispatch, self.settings, self.clock())
        except ValueError:
            return Refused("malformed_message")
        try:
            connection = self._kept() or self._connected()
        # A UnicodeError: a host or credentials that cannot be written.
        except (OSError, UnicodeError) as error:
            return Retry(_name_of(error))
        outcome = handed_over(connection, self.settings["from_address"], dispatch.address, content)
        if isinstance(outcome, Accepted | Refused):
            with self._lock:
                self._idle.append((connection, time.monotonic()))
        else:
            connection.close()
        return outcome

    def close(self) -> None:
        """Take leave of the server on all idle connections."""
        with self._lock:
            idle = [connection for connection, _ in self._idle]
            self._idle.clear()
        for connection in idle:
            with suppress(OSError):
                if connection.sock:
                    connection.sock.settimeout(_LEAVE_SECONDS)
                connection.quit()
            connection.close()

    def _kept(self) -> smtplib.SMTP | None:
        """A connection that the server still answers on, if there is one; those found stale are closed."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            with suppress(OSError):
                # RSET asks as NOOP would, and ends what is left of a refused message.
                if time.monotonic() - since < _IDLE_SECONDS and connection.rset()[0] == 250:
                    return connection
            connection.close()

    def _connected(self) -> smtplib.SMTP:
        """A new connection, encrypted and authenticated as the settings say."""
        host, port, security = self.settings["host"], int(self.settings["port"]), self.settings["security"]
        if security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_CONNECT_SECONDS, context=self.context)
        else:
            connection = smtplib.SMTP(host, port, timeout=_CONNECT_SECONDS)
        try:
            if security == "starttls":
                connection.starttls(context=self.context)
            connection.ehlo_or_helo_if_needed()
            if self.settings["username"]:
                connection.login(self.settings["username"], self.settings["password"])
        except (OSError, UnicodeError):
            connection.close()
            raise
        assert connection.sock
        connection.sock.settimeout(_ANSWER_SECONDS)
        return connection


@dataclass(frozen=True)
class SmtpSender:
    """The sender by SMTP."""

    channels: tuple[str, ...]
    settings: tuple[Setting, ...]

    def suits(self, address: str) -> bool:
        """Every address is one of a mail server's."""
        return True

    @contextmanager
    def opened(self, settings: Settings) -> Iterator[SmtpTransport]:
        """The sender with its connections, which are closed at the end.

        Raises:
            ConfigurationError: a setting is impossible.
        """
        if settings["security"] not in _SECURITIES:
            raise ConfigurationError("an unknown security", where="smtp", hint=f"It is one of {', '.join(_SECURITIES)}")
        if not (settings["port"].isascii() and settings["port"].isdigit() and int(settings["port"]) < 65_536):
            raise ConfigurationError("the port is no port's number", where="smtp")
        if not (settings["from_address"].isascii() and _ADDRESS.fullmatch(settings["from_address"])):
            raise ConfigurationError("from_address is not an address", where="smtp")
        transport = SmtpTransport(settings)
        try:
            yield transport
        finally:
            transport.close()


SENDER = SmtpSender(
    channels=("email",),
    settings=(
        Setting("host", "the mail server"),
        Setting("from_address", "the address that mails come from, and bounces go to"),
        Setting("port", "the port of the server", "587"),
        Setting("security", "starttls, tls from the first byte (port 465), or none", "starttls"),
        Setting("username", "if the server asks for one", ""),
        Setting("password", "if the server asks for one", ""),
    ),
)
