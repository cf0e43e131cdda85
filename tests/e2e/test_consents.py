"""`cdp consents verify`, on intact and on broken ledgers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cdp.consent import Statement, Suppression, contact_point_id
from cdp.consent.ledger import record, suppress, suppressions_of
from cdp.store import Store, open_store
from tests.e2e.command import Command, in_this_process

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return in_this_process(monkeypatch, capsys, tmp_path, {})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    _state(opened, "granted")
    _state(opened, "withdrawn")
    yield opened
    opened.close()


def _state(store: Store, state: str) -> None:
    point = contact_point_id("email", "ann@example.com")
    with store.write() as connection:
        record(connection, [Statement(point, "email", "email", "marketing", state, NOW, "test", "person")], NOW)


def test_an_intact_ledger_is_reported_with_its_head(store: Store, command: Command) -> None:
    shown = command("consents", "verify")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("The ledger is intact: 2 entries")
    told = json.loads(command("consents", "verify", "--json").stdout)
    assert (told["entries"], told["broken"]) == (2, None)
    assert told["head"] in shown.stdout.replace("\n", "")
    _state(store, "granted")
    assert command("consents", "verify", "--head", told["head"]).exit_code == 0


def test_the_first_broken_entry_is_reported(store: Store, command: Command) -> None:
    with store.write() as connection:
        connection.execute(sa.text("update consent_ledger set state = 'granted' where seq = 2"))
    shown = command("consents", "verify")
    assert (shown.exit_code, "Entry 2: the fields do not match" in shown.stdout) == (1, True)
    told = command("consents", "verify", "--json")
    assert (told.exit_code, json.loads(told.stdout)["broken"]["seq"]) == (1, 2)


def test_a_rebuilt_chain_lacks_the_kept_hash(store: Store, command: Command) -> None:
    head = json.loads(command("consents", "verify", "--json").stdout)["head"]
    with store.write() as connection:
        connection.execute(sa.text("delete from consent_ledger"))
        connection.execute(sa.text("update ledger_heads set seq = 0, entry_hash = null"))
    _state(store, "granted")
    assert command("consents", "verify").exit_code == 0
    assert command("consents", "verify", "--head", head).exit_code == 1


def test_a_steward_lifts_a_complaint(store: Store, command: Command) -> None:
    point = contact_point_id("email", "ann@example.com")
    with store.write() as connection:
        suppress(connection, [Suppression(point, "email", "complaint", "sendgrid", NOW)], NOW)
    lifting = ("consents", "lift", point, "email", "complaint", "--by", "Mary Allen")
    assert command(*lifting).exit_code == 0
    with store.read() as connection:
        (found,) = suppressions_of(connection, [point])
    assert (found.lifted_by, found.is_active(datetime.now(UTC))) == ("Mary Allen", False)
    again = command(*lifting)
    problem = "this contact point has no active suppression on email for complaint"
    assert (again.exit_code, again.error) == (2, problem)


def test_an_empty_ledger_is_intact(tmp_path: Path, command: Command) -> None:
    assert json.loads(command("consents", "verify", "--json").stdout) == {"entries": 0, "head": None, "broken": None}
