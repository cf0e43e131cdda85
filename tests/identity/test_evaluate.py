"""Evaluation against the truth: the errors shown, the evidence counted, the records given to the resolver."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from cdp.normalise import read_countries
from identity.evaluate import Evaluation, as_findable, evaluate_records
from identity.model import load_model
from tests.identity.observations import DATA, PATTERNS

pytestmark = pytest.mark.slow

COUNTRIES = read_countries(DATA / "reference")


def judged(*rows: str) -> Evaluation:
    """An evaluation from rows like `record cluster entity`."""
    records = pl.DataFrame([row.split() for row in rows], schema=["record_id", "cluster_id", "entity_id"], orient="row")
    return Evaluation(records, records)


def evaluated(records: list[dict[str, str]], entities: str) -> Evaluation:
    """Resolve and evaluate; `entities` has one letter per record."""
    table = pl.DataFrame([{"record_id": str(number), **record} for number, record in enumerate(records)])
    truth = pl.DataFrame({"record_id": table["record_id"], "entity_id": list(entities)})
    evaluation, _ = evaluate_records(
        table, truth, load_model(), PATTERNS, COUNTRIES, default_region="US", today=date(2026, 1, 1)
    )
    return evaluation


ERRORS = judged("1 x ann", "2 x ann", "3 x bob", "4 y bob", "5 z kim", "6 z pat", "7 w pat", "8 z eve")


def test_the_clusters_with_the_most_wrong_pairs_come_first() -> None:
    first, second = ERRORS.over_merges(5)
    assert first["record_id"].to_list() == ["8", "5", "6"]
    assert second["record_id"].to_list() == ["1", "2", "3"]
    assert len(ERRORS.over_merges(1)) == 1


def test_the_entities_with_the_most_missed_pairs_come_first() -> None:
    divided = judged("1 a ann", "2 b ann", "3 c ann", "4 d bob", "5 e bob", "6 f kim")
    assert [group["entity_id"][0] for group in divided.misses(5)] == ["ann", "bob"]


def test_correct_clusters_are_not_listed_as_errors() -> None:
    correct = judged("1 a ann", "2 a ann", "3 b bob")
    assert correct.over_merges(5) == correct.misses(5) == []


def test_true_pairs_with_shared_evidence_are_counted() -> None:
    records = judged("1 a ann", "2 a ann", "3 b ann", "4 c ann").records
    shared = pl.DataFrame({"record_id": ["1", "2", "2", "3"], "evidence": ["x", "x", "y", "y"]})
    assert Evaluation(records, as_findable(records, shared)).evidence() == {
        "true_pairs": 6,
        "with_evidence": 3,
        "recall_of_those": pytest.approx(1 / 3),
    }


def test_evidence_is_a_shared_identifier_or_a_candidate_pair() -> None:
    evaluation = evaluated(
        [
            {"email": "ann@example.com"},
            {"email": "ANN@example.com", "phone": "+1 415 555 0101"},
            {"phone": "(415) 555-0101"},
            {"first_name": "Kim", "last_name": "Ros"},
            {"first_name": "Kim", "last_name": "Ros"},
            {"email": "test@test.com"},
            {"email": "test@test.com"},
        ],
        "aaakktt",
    )
    assert evaluation.evidence()["true_pairs"] == 5
    assert evaluation.evidence()["with_evidence"] == 4  # a test address is not evidence


def test_times_reveal_a_recycled_number() -> None:
    ann = {"first_name": "Ann", "last_name": "Lee", "phone": "+14155550188"}
    kim = {"first_name": "Kim", "last_name": "Ros", "phone": "+14155550188"}
    sms = {"phone": "+14155550188"}

    def spanning(first: str, last: str) -> dict[str, str]:
        return {"first_seen_at": first, "last_seen_at": last}

    timed = [
        {**ann, **spanning("2020-01-01", "2020-06-01")},
        {**kim, **spanning("2024-01-01T00:00:00Z", "2024-06-01T00:00:00Z")},
        {**sms, **spanning("2024-02-01", "2024-03-01")},
    ]
    assert evaluated(timed, "akk").figures()["pairwise"]["f1"] == 1
    assert evaluated([ann, kim, sms], "akk").figures()["pairwise"]["recall"] == 0


def test_evaluation_is_deterministic() -> None:
    records = [{"first_name": "Ann", "last_name": name, "email": f"{name}@example.com"} for name in ("Lee", "Leigh")]
    assert evaluated(records, "aa").figures() == evaluated(records, "aa").figures()
