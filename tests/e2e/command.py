"""`cdp` as a user runs it: in its own process, or in this one if another process would prove nothing more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import pytest
import structlog

from cdp import cli

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample"
CDP = Path(sys.executable).with_name("cdp")


@dataclass(frozen=True)
class Answer:
    """The output and the exit code of a command."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one line of a refused command on standard error, after its stages and logs."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("cdp: ")]
        assert len(lines) == 1, self.stderr
        assert self.stderr.splitlines()[-1] == lines[0], self.stderr
        assert "Traceback" not in self.stderr
        return lines[0].removeprefix("cdp: ")


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment, with only the given CDP_ variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CDP_")}
    return {**inherited, "CDP_HOME": str(home), **settings}


def cdp(home: Path, *arguments: str, cwd: Path = ROOT, **settings: str) -> Answer:
    """Run a command in its own process, to its end."""
    done = subprocess.run(
        [CDP, *arguments],
        cwd=cwd,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(
    home: Path, *arguments: str, log: int | IO[str] = subprocess.PIPE, **settings: str
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs during the test; `log` receives its standard error."""
    with subprocess.Popen(
        [CDP, *arguments], cwd=ROOT, env=environment(home, **settings), stdout=subprocess.PIPE, stderr=log, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def serving(home: Path, *arguments: str, **settings: str) -> Iterator[str]:
    """The base URL of a running `cdp serve` on a free port."""
    with service(home, *arguments, **settings) as (url, _):
        yield url


@contextmanager
def service(home: Path, *arguments: str, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Like `serving`, with its process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # A file, because a full pipe that is not read would block the service.
    log = home / "serve.log"
    command = ("serve", "--port", str(port), *arguments)
    with log.open("w") as stream, started(home, *command, log=stream, **settings) as process:
        deadline = time.monotonic() + 60
        while not _is_alive(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the API did not come up within a minute"
            time.sleep(0.1)
        yield url, process


def _is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def token(url: str, client: Mapping[str, str]) -> str:
    """An access token for a client as `cdp clients add --json` prints it."""
    answer = httpx.post(
        f"{url}/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], client["client_secret"]),
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


Command = Callable[..., Answer]


def in_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path, settings: Mapping[str, str]
) -> Command:
    """`main` itself, with the arguments, environment and streams of a command."""
    for name in [name for name in os.environ if name.startswith("CDP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CDP_HOME", str(home))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str, **more: str) -> Answer:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["cdp", *arguments])
            patch.setattr(sys, "excepthook", sys.excepthook)
            for name, value in more.items():
                patch.setenv(name, value)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                cli.main()
            structlog.reset_defaults()  # `main` has logs go to the stream that ends with this test
        printed = capsys.readouterr()
        return Answer(int(ended.value.code or 0), printed.out, printed.err)

    return command
