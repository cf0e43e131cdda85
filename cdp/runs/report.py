"""The report of a run: printed by `cdp run --json`, kept in the store, listed in the tables `runs` and `quality`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, PlainSerializer

# The outcome of a line. If its items have several outcomes, the first of these counts.
Outcome = Literal["reject", "event", "observation", "consent", "duplicate"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_Time = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class StageReport(_Part):
    """A completed stage: the rows it produced (`check`: the expectations it evaluated), and how long it took."""

    name: str
    rows: int
    seconds: float


class OutcomeCount(_Part):
    """The number of lines of a source with an outcome."""

    source: str
    outcome: Outcome
    lines: int


class BrokenExpectation(_Part):
    """An expectation of a table, in words, and the number of its violations."""

    expectation: str
    violation_count: int


class TableVerdict(_Part):
    """The number of a table's expectations that hold, and the broken ones."""

    table: str
    passed: int
    failed: tuple[BrokenExpectation, ...]


class RunReport(_Part):
    """The figures of a run and of the resulting state, in the order in which they are printed.

    as_of: the time for which results are computed. seconds: of all stages together. files: landed by this run;
    files_known: inputs that had been landed before. landed: lines; `lines` has them by outcome, `tally` by source and
    outcome. events, observations, consents, profiles: current numbers of rows. merges, splits: by this run. quality:
    verdicts on the tables checked. model: the version of the identity model; model_trained: by this run. A new field
    needs a default, because older reports in the store lack it.
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
    model: str | None = None
    model_trained: bool = False

    def document(self) -> dict[str, Any]:
        """The report as a JSON document."""
        return self.model_dump(mode="json")


def lines_by_outcome(tally: Iterable[OutcomeCount]) -> dict[Outcome, int]:
    """The number of lines of all sources for each outcome, 0 included."""
    lines = dict.fromkeys(OUTCOMES, 0)
    for count in tally:
        lines[count.outcome] += count.lines
    return lines
