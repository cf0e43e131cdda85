"""Events of the real SDKs, each there once: at the tracking API, over a killed server, in the warehouse."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from segment.analytics.client import Client

from tests.e2e.command import CDP, ROOT, Command, environment, free_port, in_this_process

pytestmark = pytest.mark.long

PROGRAMS = Path(__file__).with_name("sdks")
# How each SDK comes out, by call: page calls and their like are `viewed`, alias only says who is who.
CALLS = {"identified": 1, "viewed": 2, "custom": 51}


@dataclass
class Server:
    """`cdp serve` on a port of its own, which can be killed and started again."""

    home: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [CDP, "serve", "--port", str(self.port)]
        with (self.home / "serve.log").open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment(self.home, **self.settings), stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not self._is_alive():
            assert self.process.poll() is None, (self.home / "serve.log").read_text()
            assert time.monotonic() < deadline, "the API did not come up within a minute"
            time.sleep(0.05)

    def end(self, by: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(by)
        self.process.wait(60)

    def _is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False


@dataclass(frozen=True)
class Site:
    """A running server and a write key of a source of its own."""

    server: Server
    source: str
    write_key: str
    command: Command

    def events(self) -> list[dict[str, Any]]:
        """What the warehouse holds of the source, after a run."""
        run = self.command("run", "--json")
        assert run.exit_code == 0, run.stderr
        return self.rows(f"select * from conformed.events where source = '{self.source}'")

    def rows(self, query: str) -> list[dict[str, Any]]:
        answer = self.command("sql", query, "--format", "json")
        assert answer.exit_code == 0, answer.stderr
        found: list[dict[str, Any]] = json.loads(answer.stdout)
        return found


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Server]:
    home.mkdir()
    server = Server(home, free_port(), settings)
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGTERM)


def site_of(server: Server, source: str, command: Command) -> Site:
    added = command("clients", "add", source, "--write-key", "--source", source, "--json")
    assert added.exit_code == 0, added.stderr
    return Site(server, source, json.loads(added.stdout)["write_key"], command)


@pytest.fixture
def site(home: Path, command: Command) -> Iterator[Site]:
    with running(home) as server:
        yield site_of(server, "web", command)


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all SDKs, each of which has it killed and started again."""
    with running(tmp_path_factory.mktemp("sdks") / "var") as server:
        yield server


@pytest.fixture
def site_of_sdk(
    lasting_server: Server, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Site:
    return site_of(lasting_server, name, in_this_process(monkeypatch, capsys, lasting_server.home, {}))


@contextmanager
def program(site: Site, command: list[str], **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A program of `sdks/` at work, ended with the test."""
    arguments = [*command, site.server.url, site.write_key]
    settings = {**environment(site.server.home), **environ}
    with subprocess.Popen(
        arguments, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def says(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().strip() == word, process.stderr.read()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def drive(site: Site, command: list[str], *, while_down: bool, **environ: str) -> None:
    """Run a program to its end, over a kill of the server: before it sends on, or while it does."""
    with program(site, command, **environ) as process:
        says(process, "sent")
        site.server.end(signal.SIGKILL)
        if while_down:
            go_on(process)
            time.sleep(1)
            site.server.start()
        else:
            site.server.start()
            go_on(process)
        says(process, "done")


def assert_each_event_is_there_once(site: Site) -> None:
    events = site.events()
    numbers = [json.loads(event["properties"])["number"] for event in events if event["event_name"] == "Song Played"]
    assert sorted(numbers) == list(range(50))
    types = [event["event_type"] for event in events]
    assert {kind: types.count(kind) for kind in set(types)} == CALLS
    assert len({event["event_id"] for event in events}) == len(events)
    assert site.rows("select count(*) as n from landing.rejects") == [{"n": 0}]
    # The traits that Rudder's SDKs put into the context are there as well, and alias has brought the browser in.
    [person] = site.rows("select email, first_name from profiles.profiles")
    assert (person["email"], person["first_name"]) == ("ann@example.com", "Ann")
    of_source = f"from conformed.observations where source = '{site.source}'"
    [seen] = site.rows(f"select max(email) as email, max(first_name) as first_name {of_source}")
    assert seen == person
    [known] = site.rows(
        f"select count(*) as n from identity.identifiers semi join ({of_source}) using (observation_id) "
        "where value = 'browser-1'"
    )
    assert known["n"] >= 1
    [identified] = [json.loads(event["properties"]) for event in events if event["event_type"] == "identified"]
    # RudderStack's browser SDK sends no nulls.
    assert identified == {"plan": ""} | ({} if site.source == "rudder_js" else {"city": None})


@pytest.mark.parametrize(("name", "while_down"), [("segment_python", True), ("rudder_python", False)])
def test_python_sdks(site_of_sdk: Site, name: str, while_down: bool) -> None:
    drive(site_of_sdk, [sys.executable, str(PROGRAMS / f"{name}.py")], while_down=while_down)
    assert_each_event_is_there_once(site_of_sdk)


@pytest.mark.parametrize(
    ("name", "while_down"),
    [("segment_node", False), ("rudder_node", True), ("analytics_js", False), ("rudder_js", False)],
)
def test_node_sdks(site_of_sdk: Site, node_modules: Path, name: str, while_down: bool) -> None:
    drive(site_of_sdk, ["node", str(PROGRAMS / f"{name}.js")], while_down=while_down, NODE_PATH=str(node_modules))
    assert_each_event_is_there_once(site_of_sdk)


def test_the_script_of_the_snippet_is_served_from_its_package(home: Path, command: Command, node_modules: Path) -> None:
    script = node_modules / "@segment/analytics-next/dist/umd/standalone.js"
    with running(home, CDP_ANALYTICS_JS=str(script)) as server:
        site = site_of(server, "web", command)
        answer = httpx.get(f"{server.url}/analytics.js/v1/{site.write_key}/analytics.min.js")
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.content == script.read_bytes()


def test_a_server_killed_under_load_loses_nothing(site: Site) -> None:
    client = Client(site.write_key, host=site.server.url, upload_size=20, upload_interval=0.01, thread=4)
    for number in range(4_000):
        client.track(f"user-{number % 50}", "Song Played", {"number": number})
    for _ in range(3):
        time.sleep(0.3)
        site.server.end(signal.SIGKILL)
        site.server.start()
    client.flush()
    client.join()
    numbers = [json.loads(event["properties"])["number"] for event in site.events()]
    assert sorted(numbers) == list(range(4_000))


def test_a_run_processes_the_events_sent(site: Site) -> None:
    def send(path: str, body: dict[str, Any], **arguments: Any) -> None:
        answer = httpx.post(f"{site.server.url}{path}", content=json.dumps(body), **arguments)
        assert (answer.status_code, answer.json()) == (200, {"success": True})

    # The beacon of a page that is left: plain text, the key in the body.
    beacon = {"event": "Left", "anonymousId": "a1", "messageId": "b1", "writeKey": site.write_key}
    send("/v1/t", beacon, headers={"Content-Type": "text/plain"})
    # A client whose clock stands years behind.
    slow = {"timestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T00:00:10Z"}
    send("/v1/track", {"event": "Late", "userId": "u1", **slow}, auth=(site.write_key, ""))
    sound = {"type": "track", "event": "Song Played", "userId": 1, "messageId": "sound"}
    batch = [
        *(
            sound,
            {**sound, "messageId": "nobody", "userId": None},
            {**sound, "messageId": "long", "userId": "u" * 9_999},
        ),
        *({**sound, "messageId": "hug", "type": "hug"}, {**sound, "messageId": "nan", "value": float("nan")}, "track"),
    ]
    for _ in range(2):
        send("/v1/batch", {"batch": batch}, auth=(site.write_key, ""))

    assert sorted(event["event_name"] for event in site.events()) == ["Late", "Left", "Song Played"]
    reasons = [row["reason"] for row in site.rows("select reason from landing.rejects order by all")]
    assert reasons == ["bad_identifier", "malformed", "malformed", "no_identifier", "unknown_event"]
    late = "select epoch(received_at - occurred_at) as seconds from conformed.events where event_name = 'Late'"
    assert [9 < row["seconds"] < 60 for row in site.rows(late)] == [True]
