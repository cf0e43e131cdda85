"""The quality gate: what breaks a table's contract is not published."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdp import tables
from cdp.runs.report import TableVerdict
from cdp.warehouse import Warehouse

if TYPE_CHECKING:
    from cdp.quality import gate


@dataclass(frozen=True)
class Checked:
    """Tables held against their contracts. docs: the folder of the page that shows it."""

    verdicts: tuple[gate.TableVerdict, ...]
    docs: Path

    @property
    def passed(self) -> int:
        """How many expectations hold."""
        return sum(verdict.passed for verdict in self.verdicts)

    def reports(self) -> list[TableVerdict]:
        """The verdicts as a run's report has them."""
        return [TableVerdict.model_validate(asdict(verdict)) for verdict in self.verdicts]

    def gate(self) -> None:
        """Go no further if any expectation is broken.

        Raises:
            QualityGateFailed: names the broken expectations.
        """
        from cdp.quality.gate import gate as require

        require(self.verdicts, self.docs)


def check(warehouse: Warehouse, schemas: Collection[str], *, home: Path, run_id: str) -> Checked:
    """Hold the tables of these schemas against their contracts; the page that shows it is below `home`."""
    # Great Expectations takes seconds to import; only a run that gets here needs it.
    from cdp.quality.gate import check as check_tables

    checked = [table for table in tables.TABLES if table.schema in schemas]
    docs = home / "reports" / "quality" / "-".join(schemas)
    return Checked(tuple(check_tables(warehouse, checked, docs, run_id)), docs)
