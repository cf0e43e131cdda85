"""`cdp tail`: the last payloads and what became of them, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdp.live import LiveItem, Receiver
from cdp.settings import Settings
from cdp.store import open_store
from tests.e2e.command import Command, started

TRACK = {"type": "track", "event": "Song Played", "userId": "u1", "traits": {"email": "ann@example.com"}}


@contextmanager
def receiver(home: Path) -> Iterator[Receiver]:
    settings = Settings(home=home)
    store = open_store(settings.effective_store_url)
    opened = Receiver(settings, store)
    yield opened
    opened.close()
    store.close()


def receive(opened: Receiver, *payloads: dict[str, Any]) -> None:
    items = [LiveItem(payload["messageId"], payload) for payload in payloads]
    opened.receive("web", items, datetime.now(UTC), format="segment")


def test_payloads_are_shown_the_latest_last(command: Command, home: Path) -> None:
    assert command("tail").stdout.startswith("Nothing has been received yet.")
    with receiver(home) as opened:
        receive(opened, {**TRACK, "messageId": "m1"}, {"type": "hug", "userId": "u1", "messageId": "m2"})
        receive(opened, {**TRACK, "messageId": "m1"})
    first, second = command("tail").stdout.splitlines()
    assert ("accepted" in first, "track Song Played  m1  came once more" in first) == (True, True)
    assert ("rejected" in second, "m2  unknown_event: type" in second) == (True, True)
    assert command("tail", "-n", "1").stdout.splitlines() == [second]
    assert command("tail", "--outcome", "duplicate").stdout.splitlines() == [first]
    assert command("tail", "--source", "app", "--json").stdout == ""


def test_values_are_shown_on_request_only(command: Command, home: Path) -> None:
    with receiver(home) as opened:
        receive(opened, {**TRACK, "messageId": "m1"})
    for options in ([], ["--payloads"], ["--json"]):
        assert "ann@example.com" not in command("tail", *options).stdout
    assert "e-mail address" in command("tail", "--payloads").stdout
    assert "ann@example.com" in command("tail", "--values").stdout
    assert json.loads(command("tail", "--json", "--values").stdout)["payload"]["traits"]["email"] == "ann@example.com"


def test_an_unknown_outcome_is_refused(command: Command) -> None:
    answer = command("tail", "--outcome", "lost")
    assert (answer.exit_code, "accepted, rejected, duplicate" in answer.error) == (2, True)


def test_following_shows_what_comes_and_what_comes_again(tmp_path: Path) -> None:
    with receiver(tmp_path) as opened, started(tmp_path, "tail", "-f", "--json") as process:
        assert process.stdout is not None
        for expected in (("m1", 0), ("m2", 0), ("m1", 1), ("m1", 2)):
            receive(opened, {**TRACK, "messageId": expected[0]})
            shown = json.loads(process.stdout.readline())
            assert (shown["message_id"], shown["duplicates"]) == expected
        many = [{**TRACK, "messageId": f"n{number}"} for number in range(5_000)]
        for duplicates in (0, 1):
            receive(opened, *many)
            found = [json.loads(process.stdout.readline()) for _ in many]
            assert [(one["message_id"], one["duplicates"]) for one in found] == [
                (one["messageId"], duplicates) for one in many
            ]
        # One that has long been passed.
        receive(opened, {**TRACK, "messageId": "m2"})
        assert json.loads(process.stdout.readline())["message_id"] == "m2"
