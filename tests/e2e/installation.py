"""An installation of several processes over one store: `cdp serve` and `cdp work`, each killed and started at will.

The provider is a fake with a ledger of its own; it is told of to every process by its settings.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import httpx
import yaml

from cdp.access.clients import add_client
from cdp.sending.accepting import SEND
from cdp.settings import DATA
from cdp.store import Store
from cdp.work.tables import work_items
from tests.delivery.fakes import Providers, sendgrid, twilio
from tests.e2e.command import CDP, ROOT, environment, free_port, token
from tests.webhook_senders import PUBLIC_URL, SECRETS

SECONDS_TO_START = 60
_IS_WORKING = "Processing the queue"


@dataclass
class Part:
    """One process of an installation; `url` is a server's.

    A process that was killed is started again as it was, at the same address.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    url: str | None = None
    process: subprocess.Popen[bytes] | None = None
    _stream: IO[bytes] | None = None
    _begun_at: int = 0

    def start(self) -> None:
        self._stream = self._stream or self.log.open("ab")
        self._begun_at = self.log.stat().st_size
        self.process = subprocess.Popen(
            [str(CDP), *self.arguments], cwd=ROOT, env=self.environment, stdout=self._stream, stderr=self._stream
        )

    def kill(self) -> None:
        """Kill -9."""
        process = self._running()
        process.kill()
        process.wait()

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        if self._stream:
            self._stream.close()

    @property
    def is_ready(self) -> bool:
        """Whether it serves or works."""
        self._running()
        if self.url is None:
            return _IS_WORKING in self.log.read_bytes()[self._begun_at :].decode()
        try:
            return httpx.get(f"{self.url}/healthz", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        # A process that ended by itself has failed, and must not pass for one that was killed.
        assert self.process and self.process.poll() is None, self.log.read_text()[-2_000:]
        return self.process


@dataclass
class Installation:
    """The processes, by `servers` and `workers`."""

    servers: list[Part]
    workers: list[Part]
    kills: int = field(default=0, init=False)

    @property
    def parts(self) -> list[Part]:
        return [*self.servers, *self.workers]

    @property
    def urls(self) -> list[str]:
        return [str(one.url) for one in self.servers]

    def start(self) -> None:
        """Start all processes, and wait until they are at work."""
        for one in self.parts:
            one.start()
        for one in self.parts:
            _wait_until_ready([one])

    def replace_one(self, chance: random.Random) -> None:
        """Kill one of those that are at work, and start it again."""
        victim = chance.choice(_wait_until_ready(self.parts))
        victim.kill()
        self.kills += 1
        victim.start()

    def kill_all(self) -> None:
        for one in self.parts:
            one.kill()
            self.kills += 1


def _wait_until_ready(parts: Sequence[Part]) -> list[Part]:
    """Those of the processes that are at work, once any is."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not (ready := [one for one in parts if one.is_ready]):
        assert time.monotonic() < deadline, f"{parts[0].arguments} did not come up within a minute"
        time.sleep(0.05)
    return ready


@contextmanager
def installed(
    home: Path, store_url: str, providers: Providers, *, servers: int = 2, workers: int = 2
) -> Iterator[Installation]:
    """An installation that sends by fake providers, to anybody at any time."""
    home.mkdir(exist_ok=True)
    told = environment(home, CDP_STORE_URL=store_url, **_settings(home, providers))
    ports = [free_port() for _ in range(servers)]
    found = Installation(
        [
            Part(("serve", "--port", str(port)), told, home / f"serve-{port}.log", f"http://127.0.0.1:{port}")
            for port in ports
        ],
        [Part(("work",), told, home / f"work-{number}.log") for number in range(workers)],
    )
    with ExitStack() as stack:
        for one in found.parts:
            stack.callback(one.close)
        found.start()
        yield found


def _settings(home: Path, providers: Providers) -> Mapping[str, str]:
    policy = home / "policy.yaml"
    shipped = yaml.safe_load((DATA / "policy.yaml").read_text(encoding="utf-8"))
    policy.write_text(yaml.safe_dump({**shipped, "frequency_caps": {}, "quiet_hours": {}}))
    return {
        "CDP_POLICY": str(policy),
        "CDP_PUBLIC_URL": PUBLIC_URL,
        "CDP_PROVIDERS__SENDGRID__API_KEY": sendgrid.KEY,
        "CDP_PROVIDERS__SENDGRID__FROM_ADDRESS": "news@example.com",
        "CDP_PROVIDERS__SENDGRID__BASE_URL": providers.url_of("sendgrid"),
        "CDP_PROVIDERS__TWILIO__ACCOUNT_SID": twilio.ACCOUNT_SID,
        "CDP_PROVIDERS__TWILIO__AUTH_TOKEN": twilio.AUTH_TOKEN,
        "CDP_PROVIDERS__TWILIO__SENDER_ID": "+41790000000",
        "CDP_PROVIDERS__TWILIO__BASE_URL": providers.url_of("twilio"),
        **{
            f"CDP_WEBHOOKS__{name.upper()}__{key.upper()}": secret.get_secret_value()
            for name in ("sendgrid", "twilio")
            for key, secret in SECRETS[name].items()
            if secret
        },
    }


def authorised(store: Store, url: str, *scopes: str) -> Mapping[str, str]:
    """The headers of a new client with these scopes."""
    with store.write() as connection:
        added = add_client(connection, "shop", list(scopes), datetime.now(UTC))
    return {
        "Authorization": f"Bearer {token(url, {'client_id': added.client_id, 'client_secret': added.client_secret})}"
    }


def let_time_pass(store: Store) -> None:
    """As if hours had passed for messages that wait, once all processes are dead: their leases have run out."""
    is_open = work_items.c.finished_at.is_(None)
    with store.write() as connection:
        connection.execute(
            work_items.update()
            .where(is_open, work_items.c.kind == SEND)
            .values(lease_until=work_items.c.enqueued_at, not_before=work_items.c.enqueued_at)
        )
