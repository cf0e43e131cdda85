"""Fake providers: one server that speaks the APIs of all of them, with faults on demand and a ledger of its own.

Each module here is a provider, under the path of its name: what `accepts` says of a request is as the provider's
documentation has it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Called:
    """A request to a provider; `path` is the one below its base URL."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """A message that a provider has taken: our id, the address, and what else a test may ask of it.

    called_at: when its request had arrived, in seconds since the epoch.
    """

    provider: str
    message_id: str
    address: str
    content: Any = None
    called_at: float = 0.0


# What a provider says of a request: its reply and, if it takes one, the message. A wrong request is an AssertionError.
Accepts = Callable[[Called], tuple[Reply, Taken | None]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request instead of the reply.

    kind: `drop` breaks the connection before the message is taken, `take_and_drop` after it; `reply` gives `reply`
    instead of taking it, `take_and_reply` after it; `late` takes it and answers after `seconds`.
    """

    kind: str
    reply: Reply = Reply(500)
    seconds: float = 0.0


class Providers:
    """The server. `faults` are used up, one a request; then requests are served well."""

    def __init__(self, chances: Sequence[tuple[float, Fault]] = (), seed: int = 0) -> None:
        self.taken: list[Taken] = []
        self.calls: list[Called] = []
        self.faults: list[Fault] = []
        self.chances = chances
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
        self._accepts: dict[str, Accepts] = {
            name: importlib.import_module(f"{__name__}.{name}").accepts for name in names
        }
        self.url = ""

    def url_of(self, provider: str) -> str:
        return f"{self.url}/{provider}"

    def serve(self, called: Called) -> tuple[Reply | None, float]:
        """The reply (None: the connection breaks), and the seconds before it."""
        called_at = time.time()
        _, name, *rest = called.path.split("/", 2)
        below = Called(called.method, f"/{'/'.join(rest)}", called.headers, called.body)
        with self._lock:
            self.calls.append(below)
            fault = self.faults.pop(0) if self.faults else self._by_chance()
        if fault and fault.kind == "drop":
            return None, 0.0
        if fault and fault.kind == "reply":
            return fault.reply, 0.0
        try:
            reply, taken = self._accepts[name](below)
        except AssertionError as error:
            return Reply(400, {"error": f"the request is not as documented: {error}"}), 0.0
        if taken:
            self.taken.append(replace(taken, called_at=called_at))
        if fault and fault.kind == "take_and_drop":
            return None, 0.0
        if fault and fault.kind == "take_and_reply":
            return fault.reply, 0.0
        return reply, fault.seconds if fault else 0.0

    def _by_chance(self) -> Fault | None:
        drawn = self._random.random()
        for chance, fault in self.chances:
            if drawn < chance:
                return fault
            drawn -= chance
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: Any) -> None:
        """Clients are killed in tests."""


@contextmanager
def serving(providers: Providers, port: int = 0) -> Iterator[Providers]:
    """Serve the providers on a port of this machine, by default any that is free."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply, seconds = providers.serve(Called(self.command, self.path, dict(self.headers), body))
            time.sleep(seconds)
            if reply is None:
                self.close_connection = True
                return
            content = reply.body if isinstance(reply.body, bytes) else _text(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", port), Handler)
    providers.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield providers
    finally:
        server.shutdown()
        server.server_close()


def _text(body: Any) -> str:
    return "" if body is None else body if isinstance(body, str) else json.dumps(body)
