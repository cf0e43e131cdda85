"""APNs: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns.

It speaks HTTP/2 only, as Apple does, but without TLS; the faults and the ledger are those of the other fakes.
"""

from __future__ import annotations

import json
import re
import socketserver
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from tests.delivery.fakes import Called, Providers, Reply, Taken

KEY_ID, TEAM_ID, TOPIC = "ABC123DEFG", "DEF123GHIJ", "com.example.outfitters"


@cache
def key() -> ECKey:
    """The authentication key, made when it is first asked for."""
    return ECKey.generate_key("P-256")


def error(status: int, reason: str) -> Reply:
    return Reply(status, {"reason": reason})


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    scheme, _, token = called.header("authorization").partition(" ")
    assert scheme == "bearer"
    try:
        signed = jwt.decode(token, key(), algorithms=["ES256"])
    except JoseError:
        return error(403, "InvalidProviderToken"), None
    assert signed.header["kid"] == KEY_ID
    assert signed.claims.keys() == {"iss", "iat"} and signed.claims["iss"] == TEAM_ID
    found = re.fullmatch(r"/3/device/([0-9a-f]{64,})", called.path)
    assert called.method == "POST" and found, called.path
    if called.header("apns-topic") != TOPIC:
        return error(400, "DeviceTokenNotForTopic"), None
    assert called.header("apns-push-type") == "alert"
    assert called.header("apns-expiration").isdigit()
    apns_id = called.header("apns-id")
    assert str(uuid.UUID(apns_id)) == apns_id
    if len(called.body) > 4096:
        return error(413, "PayloadTooLarge"), None
    payload = called.json
    assert payload["aps"]["alert"].keys() == {"title", "body"}
    taken = Taken("apns", payload["message_id"], found[1], payload)
    return Reply(200, headers={"apns-id": apns_id}), taken


class Apple(Providers):
    """The server, which knows no other provider."""

    def __init__(self) -> None:
        super().__init__()
        self._accepts = {"apns": accepts}


@contextmanager
def serving_apple() -> Iterator[Apple]:
    """Serve APNs on a free port of this machine."""
    apple = Apple()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _converse(self.request, apple)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        apple.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield apple
        finally:
            server.shutdown()


def _converse(connection: Any, apple: Apple) -> None:
    """Answer the requests of a connection, one after the other, until either side closes it."""
    http2 = H2Connection(config=H2Configuration(client_side=False, header_encoding="utf-8"))
    http2.initiate_connection()
    connection.sendall(http2.data_to_send())
    headers: dict[int, dict[str, str]] = {}
    bodies: dict[int, bytes] = {}
    while data := connection.recv(65_536):
        for event in http2.receive_data(data):
            if isinstance(event, RequestReceived):
                headers[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
            elif isinstance(event, DataReceived):
                bodies[event.stream_id] += event.data
                http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                told = headers.pop(event.stream_id)
                called = Called(told[":method"], told[":path"], told, bodies.pop(event.stream_id))
                reply, _ = apple.serve(called)
                if reply is None:
                    return
                content = b"" if reply.body is None else json.dumps(reply.body).encode()
                answered = {":status": str(reply.status), **reply.headers}
                http2.send_headers(event.stream_id, [(name.lower(), value) for name, value in answered.items()])
                http2.send_data(event.stream_id, content, end_stream=True)
        connection.sendall(http2.data_to_send())
