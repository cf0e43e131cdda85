"""The quality gate: each table's contract becomes a Great Expectations suite, run before a publish.

The only module that imports great_expectations. The contracts define the rules (`Table.expectations`); this module only
translates them. Great Expectations is asked for verdicts only, never for the values or rows that break an expectation,
which are personal data. Violations are then counted with the contract's own SQL.

Importing this module takes seconds (Great Expectations loads SciPy, pandas and Altair), so import it only when a run is
about to check.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import great_expectations as gx
from duckdb_sqlalchemy import ConnectionWrapper, Dialect
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent.interfaces import Batch
from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation
from great_expectations.expectations.expectation import Expectation as Check
from sqlalchemy.dialects import registry
from sqlalchemy.pool import StaticPool

from cdp.contract import Expectation, Table
from cdp.errors import QualityGateFailed, StatementFailed
from cdp.quality.page import CheckedTable, write_docs
from cdp.warehouse import Warehouse

# Great Expectations logs a failing query with its values, which may be personal data, and on import it redirects
# Python's warnings to the log.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
logging.captureWarnings(False)

BROKEN_SHOWN = 5


@dataclass(frozen=True)
class FailedExpectation:
    """A broken expectation in plain words, and the number of rows that its violations SQL returns."""

    expectation: str
    violation_count: int


@dataclass(frozen=True)
class TableVerdict:
    """The number of a table's expectations that hold, and those that do not."""

    table: str
    passed: int
    failed: tuple[FailedExpectation, ...]


def check(warehouse: Warehouse, tables: Sequence[Table], docs: Path, run_name: str) -> list[TableVerdict]:
    """Check `tables` over the warehouse's open connection; returns one verdict per table, in the order given.

    Sees what the connection has written, committed or not. The verdicts are also written as an HTML page, `index.html`
    in the folder `docs`, titled `run_name`. Neither contains a value of any row.

    Raises:
        StatementFailed: a table is missing, or an expectation's SQL fails.
        Unavailable: `docs` cannot be written.
    """
    row_counts = [warehouse.count(table.full_name) for table in tables]
    broken = _broken(_open_batch(warehouse), tables)
    checked = [
        CheckedTable(table, row_count, _violations_of(warehouse, table, broken))
        for table, row_count in zip(tables, row_counts, strict=True)
    ]
    write_docs(docs, run_name, checked)
    return [_verdict(result) for result in checked]


def gate(verdicts: Sequence[TableVerdict], docs: Path) -> None:
    """Stop the run if any expectation is broken; `docs` is the folder that `check` wrote to.

    Raises:
        QualityGateFailed: names broken expectations, their violations, and the page that lists all of them.
    """
    broken = [
        f"{verdict.table}: {failed.expectation} ({_violations(failed.violation_count)})"
        for verdict in verdicts
        for failed in verdict.failed
    ]
    if not broken:
        return
    shown = "; ".join(broken[:BROKEN_SHOWN])
    more = f"; and {len(broken) - BROKEN_SHOWN} more" if len(broken) > BROKEN_SHOWN else ""
    raise QualityGateFailed(
        f"broken expectations: {shown}{more}", hint=f"Nothing was published; see {docs / 'index.html'}"
    )


class OpenConnectionDialect(Dialect):
    """DuckDB over a connection owned by the caller, so it neither ends transactions nor closes the connection.

    Great Expectations fetches a result after returning its connection to the pool; DuckDB drops the result on the
    rollback that this causes (great_expectations #10738).
    """

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None: ...

    def do_commit(self, dbapi_connection: Any) -> None: ...

    def do_rollback(self, dbapi_connection: Any) -> None: ...

    def do_close(self, dbapi_connection: Any) -> None: ...


registry.register("cdp_open_duckdb", __name__, OpenConnectionDialect.__name__)


class ExpectNoViolations(UnexpectedRowsExpectation):
    """The built-in expectation, but only counting rows: the original also fetches them, at twice the cost."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, bool]:
        return {"success": metrics["unexpected_rows_query.row_count"] == 0}


def _open_batch(warehouse: Warehouse) -> Batch:
    """A batch over the warehouse's connection. Every expectation has a query of its own, so that one is enough for all
    tables: Great Expectations writes its whole configuration out for each that is added or removed.
    """
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )
    connection = ConnectionWrapper(warehouse.connection)
    engine: dict[str, Any] = {"kwargs": {"poolclass": StaticPool, "creator": lambda: connection}}
    source = context.data_sources.add_sql("warehouse", connection_string="cdp_open_duckdb://", **engine)
    return source.add_query_asset("nothing", query="select 1").add_batch_definition_whole_table("nothing").get_batch()


def _broken(batch: Batch, tables: Sequence[Table]) -> set[Expectation]:
    """The expectations that do not hold, according to Great Expectations.

    A table's expectations on single rows are first checked together, in one pass, and one by one only if that check
    fails: Great Expectations' overhead per expectation exceeds the time that DuckDB takes to count.
    """
    expectations = [one for table in tables for one in table.expectations()]
    together = {
        _any_violation(table, found): found
        for table in tables
        if (found := [one for one in table.expectations() if one.condition])
    }
    others = [one for one in expectations if not one.condition]
    held = _held(batch, [*together, *(one.violations for one in others)])
    suspects = [one for statement, found in together.items() if statement not in held for one in found]
    held |= _held(batch, [one.violations for one in suspects])
    return {one for one in (*others, *suspects) if one.violations not in held}


def _any_violation(table: Table, expectations: Sequence[Expectation]) -> str:
    conditions = " or ".join(f"({expectation.condition})" for expectation in expectations)
    return f"select * from {table.full_name} where {conditions}"


def _held(batch: Batch, violations: Sequence[str]) -> set[str]:
    """The statements that return no rows, as Great Expectations finds."""
    if not violations:
        return set()
    checks: list[Check] = [
        ExpectNoViolations(unexpected_rows_query=_as_query(statement), meta={"position": position})
        for position, statement in enumerate(violations)
    ]
    suite = gx.ExpectationSuite("contracts", expectations=checks)
    results = batch.validate(suite, result_format="BOOLEAN_ONLY").results
    configurations = [result.expectation_config for result in results if result.success]
    return {violations[one.meta["position"]] for one in configurations if one and one.meta}


def _violations_of(warehouse: Warehouse, table: Table, broken: Collection[Expectation]) -> dict[str, int]:
    found = [one for one in table.expectations() if one in broken]
    return {one.meaning: _count_violations(warehouse, one) for one in found}


def _as_query(violations: str) -> str:
    """Escaped for `str.format` and SQLAlchemy; without `{batch}` Great Expectations prints a warning."""
    escaped = violations.replace("{", "{{").replace("}", "}}").replace(":", r"\:")
    return f"{escaped} /* of {{batch}} */"


def _count_violations(warehouse: Warehouse, expectation: Expectation) -> int:
    """The number of rows that break `expectation`. Great Expectations swallows SQL errors; here they are raised."""
    count = int(warehouse.scalar(f"select count(*) from ({expectation.violations})"))
    if count == 0:
        raise StatementFailed(
            expectation.table, f"the gate could not verify that {expectation.meaning}", expectation.violations
        )
    return count


def _violations(count: int) -> str:
    return "1 violation" if count == 1 else f"{count:,} violations"


def _verdict(checked: CheckedTable) -> TableVerdict:
    failed = tuple(FailedExpectation(meaning, count) for meaning, count in checked.violations.items())
    return TableVerdict(checked.table.full_name, len(checked.table.expectations()) - len(failed), failed)
