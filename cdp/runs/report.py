"""The report of a run: `cdp run --json` prints it, the store keeps it, the tables of `runs` and `quality` list it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, PlainSerializer

# What becomes of a line. Where its items had several outcomes, the first of these counts.
Outcome = Literal["reject", "event", "observation", "consent", "duplicate"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_Time = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class StageReport(_Part):
    """A stage that was done: the rows that it made, and how long that took."""

    name: str
    rows: int
    seconds: float


class OutcomeCount(_Part):
    """How many lines of a source had an outcome."""

    source: str
    outcome: Outcome
    lines: int


class BrokenExpectation(_Part):
    """An expectation of a table, in words, and the number of its violations."""

    expectation: str
    violation_count: int


class TableVerdict(_Part):
    """How many of a table's expectations hold, and those that are broken."""

    table: str
    passed: int
    failed: tuple[BrokenExpectation, ...]


class RunReport(_Part):
    """Figures of a run, and of the state after it; the fields stand in the order in which they are printed.

    as_of: the time that the run speaks for. seconds: of all stages together. files: taken in by this run; files_known:
    inputs that had been landed before. landed: lines; `lines` has them by outcome, `tally` by source and outcome.
    events, observations, consents, profiles: rows there are now. merges, splits: of this run. quality: of the tables
    checked. A field that is added needs a default: the reports kept before do not have it.
    """

    run_id: str
    as_of: _Time
    started_at: _Time
    seconds: float
    published: bool
    stages: tuple[StageReport, ...]
    files: int
    files_known: int
    landed: int
    rejected: int
    duplicates: int
    lines: Mapping[Outcome, int]
    tally: tuple[OutcomeCount, ...]
    events: int
    observations: int
    consents: int
    profiles: int
    merges: int
    splits: int
    quality: tuple[TableVerdict, ...]

    def document(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return self.model_dump(mode="json")


def lines_by_outcome(tally: Iterable[OutcomeCount]) -> dict[Outcome, int]:
    """The lines of all sources by outcome, every outcome among them."""
    lines = dict.fromkeys(OUTCOMES, 0)
    for count in tally:
        lines[count.outcome] += count.lines
    return lines
