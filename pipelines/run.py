"""A run in progress: its inputs, its rules, the databases it works on, and its results so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

import polars as pl

from cdp.decision.policy import Policy, load_policy
from cdp.providers import load_sources
from cdp.runs.report import RunReport, StageReport, TableVerdict, lines_by_outcome
from cdp.segments import Catalogue, load_catalogue
from cdp.settings import Settings
from cdp.sources import Source
from cdp.store import Store
from cdp.warehouse import Warehouse
from identity.model import Model
from identity.patterns import load_patterns
from identity.registry import model_in_use
from identity.resolve import NOTHING_RESOLVED, Resolution
from pipelines.conform import NOTHING_CONFORMED, Conformed
from pipelines.land import NOTHING_LANDED, Landing
from pipelines.land.recognise import InputFile
from pipelines.link import NOTHING_MATCHED, Matching


class Progress(Protocol):
    """Receives the progress of a run."""

    def stage_started(self, name: str) -> None: ...

    def stage_advanced(self, name: str, done: int, total: int) -> None: ...

    def stage_ended(self, name: str, rows: int, seconds: float) -> None: ...

    def guessed(self, path: Path, description: str) -> None: ...

    def rebuilding(self, reason: str) -> None: ...

    def training(self, reason: str) -> None: ...

    def not_trained(self) -> None: ...


@dataclass(frozen=True)
class Rules:
    """The configured rules of a run. They are read first, so that an error in any of them stops the run at once."""

    sources: Mapping[str, Source]
    catalogue: Catalogue
    policy: Policy
    model: Model
    patterns: pl.DataFrame

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """The rules that the settings name.

        Raises:
            ConfigurationError, IdentityError: one of them is invalid.
        """
        return cls(
            load_sources(),
            load_catalogue(settings.segments),
            load_policy(settings.policy),
            model_in_use(settings),
            load_patterns(*settings.identifier_value_lists),
        )


@dataclass
class Findings:
    """The results of the stages so far, from which the report is made."""

    landing: Landing = NOTHING_LANDED
    conformed: Conformed = NOTHING_CONFORMED
    matching: Matching = NOTHING_MATCHED
    trained: Model | None = None
    resolution: Resolution = NOTHING_RESOLVED
    verdicts: list[TableVerdict] = field(default_factory=list)
    stages: list[StageReport] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """A run in progress. Only the functions in `STAGES` see it: they pass each stage what it reads."""

    run_id: str
    started_at: datetime
    given_as_of: datetime | None
    inputs: Sequence[InputFile]
    settings: Settings
    rules: Rules
    scratch: Path
    warehouse: Warehouse
    store: Store
    progress: Progress
    found: Findings = field(default_factory=Findings)

    @cached_property
    def as_of(self) -> datetime:
        """The time for which results are computed: as given, or the time of the newest event.

        Not the wall clock: a rebuild from the same landing must give the same rows, and the time after the last event
        is not covered by the logs, rather than quiet.
        """
        if self.given_as_of:
            return self.given_as_of
        newest = self.warehouse.scalar("select least(max(occurred_at), $1) from conformed.events", [self.started_at])
        return newest.astimezone(UTC) if newest else self.started_at

    @property
    def model(self) -> Model:
        """The model that links: one that this run has trained, or the one in use."""
        return self.found.trained or self.rules.model

    def report(self, *, published: bool) -> RunReport:
        """The figures of the completed stages and of the resulting state."""
        found, conformed = self.found, self.found.conformed
        lines = lines_by_outcome(conformed.tally)
        return RunReport(
            run_id=self.run_id,
            as_of=self.as_of,
            started_at=self.started_at,
            seconds=round(sum(stage.seconds for stage in found.stages), 3),
            published=published,
            stages=tuple(found.stages),
            files=len(found.landing.new),
            files_known=found.landing.known_count,
            landed=sum(lines.values()),
            rejected=lines["reject"],
            duplicates=lines["duplicate"],
            lines=lines,
            tally=conformed.tally,
            events=conformed.events,
            observations=conformed.observations,
            consents=conformed.consents,
            profiles=found.resolution.profiles,
            merges=found.resolution.merges,
            splits=found.resolution.splits,
            quality=tuple(found.verdicts),
            model=self.model.version,
            model_trained=self.model != self.rules.model,
        )
