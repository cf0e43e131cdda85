"""The report of a run is the same as JSON, as a type and as JSON again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from cdp.runs.report import (
    OUTCOMES,
    BrokenExpectation,
    OutcomeCount,
    RunReport,
    StageReport,
    TableVerdict,
    lines_by_outcome,
)

TALLY = (
    OutcomeCount(source="crm", outcome="observation", lines=3),
    OutcomeCount(source="sendgrid", outcome="event", lines=4),
    OutcomeCount(source="twilio", outcome="event", lines=2),
)
REPORT = RunReport(
    run_id="run_20261120T120000_0000aa",
    as_of=datetime(2026, 11, 19, 23, 55, 38, 371000, tzinfo=UTC),
    started_at=datetime(2026, 11, 20, 12, tzinfo=timezone(timedelta(hours=2))),
    seconds=0.75,
    published=False,
    stages=(StageReport(name="land", rows=9, seconds=0.5), StageReport(name="conform", rows=9, seconds=0.25)),
    files=2,
    files_known=1,
    landed=9,
    rejected=0,
    duplicates=0,
    lines=lines_by_outcome(TALLY),
    tally=TALLY,
    events=6,
    observations=5,
    consents=0,
    profiles=4,
    merges=1,
    splits=0,
    quality=(
        TableVerdict(table="landing.files", passed=3, failed=()),
        TableVerdict(
            table="conformed.events",
            passed=11,
            failed=(BrokenExpectation(expectation="amount is set", violation_count=2),),
        ),
    ),
    model="m27f265e8c99b",
    model_trained=True,
)
# Schedulers read it: keys, their order and the form of times stay.
TEXT = (
    '{"run_id": "run_20261120T120000_0000aa", "as_of": "2026-11-19T23:55:38.371000+00:00", '
    '"started_at": "2026-11-20T12:00:00+02:00", "seconds": 0.75, "published": false, '
    '"stages": [{"name": "land", "rows": 9, "seconds": 0.5}, {"name": "conform", "rows": 9, "seconds": 0.25}], '
    '"files": 2, "files_known": 1, "landed": 9, "rejected": 0, "duplicates": 0, '
    '"lines": {"reject": 0, "event": 6, "observation": 3, "consent": 0, "duplicate": 0}, '
    '"tally": [{"source": "crm", "outcome": "observation", "lines": 3}, '
    '{"source": "sendgrid", "outcome": "event", "lines": 4}, {"source": "twilio", "outcome": "event", "lines": 2}], '
    '"events": 6, "observations": 5, "consents": 0, "profiles": 4, "merges": 1, "splits": 0, '
    '"quality": [{"table": "landing.files", "passed": 3, "failed": []}, {"table": "conformed.events", "passed": 11, '
    '"failed": [{"expectation": "amount is set", "violation_count": 2}]}], '
    '"model": "m27f265e8c99b", "model_trained": true}'
)


def test_a_report_is_printed_as_ever() -> None:
    assert json.dumps(REPORT.document()) == TEXT


def test_a_report_that_was_kept_is_read_again() -> None:
    read = RunReport.model_validate_json(TEXT)
    assert read == REPORT
    assert json.dumps(read.document()) == TEXT


def test_a_report_without_all_its_figures_is_none() -> None:
    incomplete = {name: value for name, value in REPORT.document().items() if name != "stages"}
    with pytest.raises(ValidationError):
        RunReport.model_validate_json(json.dumps(incomplete))


def test_every_outcome_is_counted() -> None:
    assert lines_by_outcome(()) == dict.fromkeys(OUTCOMES, 0)
