"""`cdp decisions replay`, on decisions that the API has made and logged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import record
from cdp.decision import Question
from cdp.decision.facts import Asked
from cdp.decision.log import decide_and_log, keep_policy
from cdp.decision.policy import load_policy
from cdp.decision.tables import decisions
from cdp.ids import sortable_id
from cdp.people.document import blank_document
from cdp.people.published import PublishedChanges, apply_publish
from cdp.settings import DATA
from cdp.store import Store, open_store
from tests.e2e.command import Command, in_this_process

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ANN = "prf_" + "A" * 26
EMAIL = ("email", "ann@example.com")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    identifier = {"type": EMAIL[0], "value": EMAIL[1], "quality": "unique", "last_seen_at": "2026-06-30T08:00:00.000Z"}
    document = json.dumps({**blank_document(ANN, identifier["last_seen_at"]), "identifiers": [identifier]})
    rows = pl.DataFrame({"profile_id": [ANN], "document": [document], "document_hash": ["h"]})
    granted = Statement(contact_point_id(*EMAIL), "email", "email", "marketing", "granted", NOW, "test", "person")
    with opened.write() as connection:
        apply_publish(connection, PublishedChanges(NOW, profiles_upsert=rows))
        record(connection, [granted], NOW)
    yield opened
    opened.close()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return in_this_process(monkeypatch, capsys, tmp_path, {})


def decided(store: Store) -> str:
    question = Question(sortable_id("dec", NOW), "marketing", ("email", "sms"))
    policy = load_policy(DATA / "policy.yaml")
    keep_policy(store, policy, NOW)
    asked = Asked(question, ANN, client_id="client_1")
    with store.write() as connection:
        [decision] = decide_and_log(connection, [asked], policy, NOW)
    assert decision.allowed
    return decision.decision_id


def test_the_same_facts_give_the_same_answer(store: Store, command: Command) -> None:
    decision_id = decided(store)
    shown = command("decisions", "replay", decision_id)
    assert shown.exit_code == 0
    for word in (decision_id, "granted", "no_address", contact_point_id(*EMAIL), "the same answer"):
        assert word in shown.stdout
    assert EMAIL[1] not in shown.stdout
    document = json.loads(command("decisions", "replay", decision_id, "--json").stdout)
    assert (document["same"], document["differing"]) == (True, [])
    assert document["logged"] == document["again"]
    assert document["logged"]["channel"] == "email"


def test_a_policy_file_that_changes_later_changes_no_audit(store: Store, command: Command, tmp_path: Path) -> None:
    decision_id = decided(store)
    stricter = tmp_path / "policy.yaml"
    stricter.write_text((DATA / "policy.yaml").read_text().replace("per_day: 2", "per_day: 1"))
    assert command("decisions", "replay", decision_id, CDP_POLICY=str(stricter)).exit_code == 0


def test_a_log_that_was_tampered_with_is_told(store: Store, command: Command) -> None:
    decision_id = decided(store)
    with store.write() as connection:
        connection.execute(decisions.update().values(facts=sa.func.replace(decisions.c.facts, "granted", "withdrawn")))
    shown = command("decisions", "replay", decision_id)
    assert shown.exit_code == 1
    assert "a different answer" in shown.stdout
    document = json.loads(command("decisions", "replay", decision_id, "--json").stdout)
    assert document["same"] is False
    assert {"allowed", "reasons"} <= set(document["differing"])


def test_an_unknown_id_is_one_line(store: Store, command: Command) -> None:
    refused = command("decisions", "replay", "dec_0")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "no decision has this id" in refused.error
