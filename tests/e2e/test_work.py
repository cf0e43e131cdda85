"""`cdp work`: the queue seen and worked on from the command line."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdp.store import open_store
from cdp.work import Task, enqueue
from cdp.work.overview import status_by_kind
from cdp.work.queue import claim, hold, write_settled
from cdp.work.states import Failed
from tests.cdp.store_urls import BACKENDS, empty_store_url
from tests.e2e.command import Command, started

HOUSEKEEPING = {"idempotency_housekeeping", "inbox_housekeeping", "request_log_housekeeping", "work_housekeeping"}
# What comes up again by itself: the housekeeping, and a look at the providers' health.
RECURRING = HOUSEKEEPING | {"provider_health"}


def fail(home: Path, *keys: str) -> None:
    """Leave items in the queue that were given up."""
    store, now = open_store(f"sqlite:///{home / 'store.sqlite'}"), datetime.now(UTC)
    with store.write() as connection:
        enqueue(connection, "send", [Task(key) for key in keys], now)
        taken = claim(connection, "send", 100, timedelta(minutes=1), now)
        held = hold(connection, taken.token, taken.items)
        write_settled(connection, [(one, Failed("the address is gone")) for one in held], now)
    store.close()


def test_once_processes_due_items_and_exits(command: Command) -> None:
    assert command("work", "status").stdout == "The queue is empty.\n"
    first = command("work", "--once", "--json")
    assert first.exit_code == 0
    done = {kind: {"done": 1} for kind in HOUSEKEEPING}
    assert json.loads(first.stdout) == done | {"provider_health": {"again": 1}}
    status = json.loads(command("work", "status", "--json").stdout)
    assert {one["kind"]: (one["waiting"], one["due"]) for one in status} == dict.fromkeys(RECURRING, (1, 0))


def test_failed_items_are_listed_and_retried(command: Command, home: Path) -> None:
    assert command("work", "failed").stdout == "No item has failed.\n"
    fail(home, "message-1", "message-2")
    assert "the address is gone" in command("work", "failed").stdout
    [one] = json.loads(command("work", "failed", "--kind", "send", "--limit", "1", "--json").stdout)
    assert (one["kind"], one["key"], one["attempts"]) == ("send", "message-2", 1)
    assert command("work", "retry", "--kind", "work_housekeeping").stdout == "Requeued items: 0\n"
    for verb in ("failed", "retry"):
        refused = command("work", verb, "--kind", "sends")
        assert (refused.exit_code, "send, work_housekeeping" in refused.error) == (2, True)
    assert command("work", "retry").stdout == "Requeued items: 2\n"
    [status] = json.loads(command("work", "status", "--json").stdout)
    assert (status["due"], status["failed"]) == (2, 0)
    assert "send" in command("work", "status").stdout


@pytest.mark.parametrize(
    ("options", "says"), [(["--json"], "requires --once"), (["--once", "--workers", "2"], "in one thread")]
)
def test_options_that_do_not_go_together_are_refused(command: Command, options: list[str], says: str) -> None:
    answer = command("work", *options)
    assert (answer.exit_code, says in answer.error) == (2, True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_worker_runs_until_it_is_stopped(backend: str, tmp_path: Path) -> None:
    with empty_store_url(backend, tmp_path) as url:
        store = open_store(url)
        with started(tmp_path, "work", "--workers", "2", CDP_STORE_URL=url) as process:
            deadline = time.monotonic() + 60
            waiting: set[str] = set()
            # Once an occurrence is done, the next one waits.
            while not waiting >= HOUSEKEEPING:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
                with store.read() as connection:
                    waiting = {one.kind for one in status_by_kind(connection, datetime.now(UTC)) if one.waiting}
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        store.close()
