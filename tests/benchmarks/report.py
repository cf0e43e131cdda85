"""What a benchmark reports, and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cdp.cli import terminal


@dataclass(frozen=True)
class Limit:
    """A figure that must not be exceeded."""

    what: str
    measured: float
    at_most: float

    @property
    def is_kept(self) -> bool:
        return self.measured <= self.at_most


@dataclass(frozen=True)
class Report:
    """columns, rows: the figures. ratio: ours over the floor's cost, as `ratio_of` says."""

    what: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    ratio: float
    ratio_of: str
    limits: Sequence[Limit] = field(default=())

    @property
    def is_within_limits(self) -> bool:
        return all(limit.is_kept for limit in self.limits)

    def as_document(self) -> dict[str, Any]:
        """The report as JSON: a row becomes an object."""
        return {
            "what": self.what,
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "ratio": self.ratio,
            "ratio_of": self.ratio_of,
            "limits": [{**asdict(limit), "kept": limit.is_kept} for limit in self.limits],
        }

    def show(self, name: str) -> None:
        """Print the report for a reader."""
        terminal.heading(f"{name}: {self.what}")
        terminal.out.print(terminal.table(self.columns, self.rows))
        terminal.say(f"ratio {self.ratio:.2f} ({self.ratio_of})")
        for limit in self.limits:
            verdict = "kept" if limit.is_kept else "EXCEEDED"
            terminal.say(f"{limit.what}: {limit.measured:,.1f}, at most {limit.at_most:,.1f}: {verdict}")
