"""SMTP, at a server that refuses, breaks off and counts its connections."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cdp.delivery import Accepted, Dispatch, Email, InDoubt, Outcome, Refused, Retry
from cdp.errors import ConfigurationError
from cdp.providers.smtp import send
from cdp.providers.smtp.send import SENDER, SmtpTransport
from tests.delivery.messages import HEADERS, MAIL, MESSAGE_ID

BREAK = "break off"


@dataclass
class Server:
    """What the server says to a command instead of taking it, and what it has taken."""

    says: dict[str, str] = field(default_factory=dict)
    envelopes: list[Any] = field(default_factory=list)
    connections: dict[Any, Any] = field(default_factory=dict)
    port: int = 0

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(one.content, EmailMessage, policy=default) for one in self.envelopes]

    def break_off_all(self) -> None:
        for server in self.connections.values():
            server.loop.call_soon_threadsafe(server.transport.abort)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        self.connections[session.peer] = server
        envelope.mail_from = address
        return self._said("MAIL", server) or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if said := self._said("RCPT", server):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(0.02)
        said = self._said("DATA", server)
        if said and said != BREAK:
            return said
        self.envelopes.append(envelope)
        return "250 OK"

    def _said(self, command: str, server: Any) -> str | None:
        said = self.says.get(command)
        if said == BREAK:
            server.transport.abort()
        return said


class Serving(Controller):
    """aiosmtpd's controller, for a port of this machine that is free."""

    def __init__(self, server: Server, **options: Any) -> None:
        with socket.socket() as any_free:
            any_free.bind(("127.0.0.1", 0))
            server.port = any_free.getsockname()[1]
        super().__init__(server, hostname="127.0.0.1", port=server.port, **options)


@contextmanager
def served(**options: Any) -> Iterator[Server]:
    server = Server()
    serving = Serving(server, **options)
    serving.start()
    try:
        yield server
    finally:
        serving.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as found:
        yield found


@contextmanager
def opened(server: Server, **settings: str) -> Iterator[SmtpTransport]:
    defaults = {one.name: one.default for one in SENDER.settings if one.default is not None}
    told = {"host": "127.0.0.1", "port": str(server.port), "security": "none", "from_address": "news@example.com"}
    with SENDER.opened({**defaults, **told, **settings}) as transport:
        yield transport


def sent(server: Server, dispatch: Dispatch = MAIL, says: Mapping[str, str] | None = None, **settings: str) -> Outcome:
    server.says = dict(says or {})
    with opened(server, **settings) as transport:
        return transport.send(dispatch)


def mail(subject: str = "Hello", text: str = "Hello", headers: Mapping[str, str] = HEADERS) -> Dispatch:
    return replace(MAIL, content=Email(subject, text, "<p>Hello</p>", headers))


def text_of(part: Any) -> str:
    """The text of a part without the line breaks at its end."""
    return str(part.get_content()).replace("\r\n", "\n").rstrip("\n")


# --- what travels -------------------------------------------------------------------------------------------


def test_the_mail_is_what_was_rendered(server: Server) -> None:
    assert sent(server) == Accepted()
    [envelope], [received] = server.envelopes, server.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("news@example.com", ["ann@example.com"])
    assert received["From"] == "Alpine Outfitters <news@example.com>"
    assert (received["To"], received["Subject"]) == ("ann@example.com", "Grüezi, Ann")
    assert received["Message-ID"] == f"<{MESSAGE_ID}@example.com>"
    assert received["X-Message-Id"] == MESSAGE_ID
    assert {name: received[name] for name in HEADERS} == HEADERS
    assert abs(received["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert received.get_content_type() == "multipart/alternative"
    parts = [(part.get_content_type(), text_of(part)) for part in received.iter_parts()]
    assert parts == [("text/plain", "Hello Ann"), ("text/html", "<p>Hello Ann</p>")]


@pytest.mark.parametrize("text", ["Grüezi\n.\n..\nfin", "a long line " * 200, "\r\n.\r\nQUIT\r\n", "Ω" * 500])
def test_any_text_arrives(server: Server, text: str) -> None:
    assert sent(server, mail(text=text)) == Accepted()
    [received] = server.mails
    assert text_of(received.get_body(("plain",))) == text.replace("\r\n", "\n").rstrip("\n")
    assert max(map(len, server.envelopes[0].content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("subject", ["Grüezi é ü ä " * 20, "a plain one " * 5, "x" * 2000, "=?utf-8?q?no?"])
def test_any_subject_arrives(server: Server, subject: str) -> None:
    assert sent(server, mail(subject)) == Accepted()
    assert server.mails[0]["Subject"] == subject.strip()


def test_a_long_url_is_left_as_it_is(server: Server) -> None:
    url = f"<https://cdp.example.com/u/{'a1B-_' * 100}>"
    assert sent(server, mail(headers={"List-Unsubscribe": url})) == Accepted()
    assert f"\r\nList-Unsubscribe: {url}\r\n".encode() in server.envelopes[0].content


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\x00"])
def test_a_header_cannot_be_injected(server: Server, line_break: str) -> None:
    more = f"{line_break}Bcc: bob@example.com{line_break}{line_break}text"
    dispatch = replace(mail(f"Hello{more}", headers={"List-Id": f"news{more}"}), sender=f"Alpine{more}")
    assert sent(server, replace(dispatch, message_id=f"msg_1{more}")) == Accepted()
    [received] = server.mails
    assert "Bcc" not in received and received["Subject"].startswith("Hello Bcc: bob@example.com")
    assert received.get_content_type() == "multipart/alternative"
    assert server.envelopes[0].rcpt_tos == ["ann@example.com"]


@pytest.mark.parametrize(
    "address",
    ["ann@example.com>\r\nRCPT TO:<bob@example.com", "ann@example.com,bob@example.com", "Ann <ann@example.com>", "ann"],
)
def test_what_is_not_one_address_is_refused(server: Server, address: str) -> None:
    assert sent(server, replace(MAIL, address=address)) == Refused("malformed_address")
    assert not server.connections


@pytest.mark.parametrize("headers", [{"X\r\nBcc": "b@example.com"}, {"Bcc: b@example.com\r\nX": ""}, {"": "x"}])
def test_a_header_of_an_impossible_name_is_refused(server: Server, headers: dict[str, str]) -> None:
    assert sent(server, mail(headers=headers)) == Refused("malformed_message")


def test_a_text_that_no_encoding_has_is_refused(server: Server) -> None:
    assert sent(server, mail(text="\ud800")) == Refused("malformed_message")


def test_an_international_address_needs_a_server_that_knows_them() -> None:
    dispatch = replace(MAIL, address="ännä@example.com")
    with served(enable_SMTPUTF8=True) as server:
        assert sent(server, dispatch) == Accepted()
        assert server.envelopes[0].rcpt_tos == ["ännä@example.com"]
        assert "\r\nTo: ännä@example.com\r\n".encode() in server.envelopes[0].content
    with served(enable_SMTPUTF8=False) as server:
        assert sent(server, dispatch) == Retry("smtputf8_not_supported", is_providers=False)


# --- what becomes of it -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "said", "expected"),
    [
        ("RCPT", "550 5.1.1 ann@example.com: no such user", Refused("smtp_550_5.1.1", is_address_gone=True)),
        ("RCPT", "550 No such user here", Refused("smtp_550")),
        ("RCPT", "551 5.1.6 moved", Refused("smtp_551_5.1.6")),
        ("RCPT", "553 not allowed", Refused("smtp_553")),
        ("RCPT", "554 5.1.2 bad domain", Refused("smtp_554_5.1.2")),
        ("RCPT", "554 5.7.1 relay access denied", Retry("smtp_554_5.7.1")),
        ("RCPT", "550 5.1.8 bad sender's domain", Retry("smtp_550_5.1.8")),
        ("RCPT", "451 4.3.0 try again", Retry("smtp_451_4.3.0")),
        ("RCPT", "452 4.2.2 mailbox full", Retry("smtp_452_4.2.2", is_providers=False)),
        ("MAIL", "550 5.7.1 not your address", Retry("smtp_550_5.7.1")),
        ("MAIL", "421 4.3.2 shutting down", Retry("smtp_421_4.3.2")),
        ("DATA", "451 aborted", Retry("smtp_451")),
        ("DATA", "550 5.1.1 no such user", Refused("smtp_550_5.1.1", is_address_gone=True)),
        ("DATA", "554 5.7.1 ann@example.com sends spam", Refused("smtp_554_5.7.1")),
        ("MAIL", BREAK, Retry("smtp_server_disconnected")),
        ("RCPT", BREAK, Retry("smtp_server_disconnected")),
        ("DATA", BREAK, InDoubt("smtp_server_disconnected")),
    ],
)
def test_outcomes(server: Server, command: str, said: str, expected: Outcome) -> None:
    assert sent(server, says={command: said}) == expected
    assert bool(server.envelopes) == isinstance(expected, InDoubt)
    # The server is well again.
    assert sent(server) == Accepted()


@pytest.mark.parametrize("said", ["hello", "999 nine", "354 go on"])
def test_an_answer_that_means_nothing_leaves_doubt(server: Server, said: str) -> None:
    assert isinstance(sent(server, says={"DATA": said}), InDoubt)


def test_an_unreachable_server_is_the_providers_trouble(server: Server) -> None:
    assert sent(server, port="9") == Retry("connection_refused_error")
    assert sent(server, host="mail.invalid") == Retry("gaierror")
    assert isinstance(sent(server, host="x" * 70 + ".example"), Retry)


def test_no_answer_to_data_leaves_doubt(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "_ANSWER_SECONDS", 0.01)
    assert isinstance(sent(server), InDoubt)


@pytest.mark.parametrize(
    "settings", [{"security": "ssl"}, {"port": "70000"}, {"port": "smtp"}, {"from_address": "News <news@example.com>"}]
)
def test_an_impossible_setting_is_said_at_once(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError), opened(Server(), **settings):
        pass


# --- credentials and encryption -----------------------------------------------------------------------------


@contextmanager
def guarded() -> Iterator[Server]:
    def authenticator(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data == LoginPassword(b"ann", b"open sesame"), handled=False)

    with served(authenticator=authenticator, auth_required=True, auth_require_tls=False) as server:
        yield server


# The server warns of what it is told to do.
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("ann", "open sesame", Accepted()),
        ("ann", "wrong", Retry("smtp_535_5.7.8")),
        ("", "", Retry("smtp_530_5.7.0")),
        ("ann", "schlüssel", Retry("unicode_encode_error")),
    ],
)
def test_credentials(username: str, password: str, expected: Outcome) -> None:
    with guarded() as server:
        assert sent(server, username=username, password=password) == expected


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine, signed by itself, and the server's context with it."""
    folder = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "certificate.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return folder / "certificate.pem", context


@pytest.mark.parametrize(("security", "option"), [("starttls", "tls_context"), ("tls", "ssl_context")])
def test_encryption(
    security: str, option: str, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, context = certificate
    with served(**{option: context}) as server:
        assert sent(server, security=security) == Retry("ssl_cert_verification_error")
        assert not server.envelopes
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert sent(server, security=security) == Accepted()


def test_a_server_without_encryption_gets_nothing(server: Server) -> None:
    assert sent(server, security="starttls") == Retry("smtp_not_supported_error")
    assert not server.connections


# --- kept connections ---------------------------------------------------------------------------------------


def test_a_connection_is_kept(server: Server) -> None:
    with opened(server) as transport:
        assert [transport.send(MAIL) for _ in range(5)] == [Accepted()] * 5
    assert (len(server.connections), len(server.envelopes)) == (1, 5)


def test_a_refused_recipient_leaves_the_connection_as_it_was(server: Server) -> None:
    with opened(server) as transport:
        server.says = {"RCPT": "550 5.1.1 no such user"}
        assert isinstance(transport.send(MAIL), Refused)
        server.says = {}
        assert transport.send(replace(MAIL, address="bob@example.com")) == Accepted()
    assert len(server.connections) == 1
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["bob@example.com"]]


def test_a_stale_connection_is_replaced(server: Server) -> None:
    with opened(server) as transport:
        assert transport.send(MAIL) == Accepted()
        server.break_off_all()
        assert transport.send(MAIL) == Accepted()
    assert (len(server.connections), len(server.envelopes)) == (2, 2)


def test_a_connection_that_was_long_idle_is_not_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "_IDLE_SECONDS", 0)
    with opened(server) as transport:
        assert [transport.send(MAIL) for _ in range(3)] == [Accepted()] * 3
    assert len(server.connections) == 3


def test_a_connection_is_not_kept_after_a_failure(server: Server) -> None:
    with opened(server) as transport:
        server.says = {"DATA": BREAK}
        assert isinstance(transport.send(MAIL), InDoubt)
        server.says = {"DATA": "451 later"}
        assert isinstance(transport.send(MAIL), Retry)
        server.says = {}
        assert transport.send(MAIL) == Accepted()
    assert len(server.connections) == 3


def test_each_of_several_threads_has_a_connection(server: Server) -> None:
    with opened(server) as transport, ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(transport.send, [replace(MAIL, address=f"{n}@example.com") for n in range(24)]))
    assert outcomes == [Accepted()] * 24
    assert 1 < len(server.connections) <= 4
    assert sorted(envelope.rcpt_tos for envelope in server.envelopes) == sorted([f"{n}@example.com"] for n in range(24))
