"""A table's contract: one declaration yields its DDL, Polars schema, expectations and reference page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from cdp.fields import FieldType

ExpectationKind = Literal["not_null", "unique", "allowed", "pattern", "minimum", "exists_in", "rule"]


@dataclass(frozen=True)
class Column:
    """A column: its name, its type, and whether it is required in every row."""

    name: str
    type: FieldType
    required: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Reference:
    """Each non-null value of `column` must exist in `table`.`table_column`."""

    column: str
    table: str
    table_column: str


@dataclass(frozen=True)
class Rule:
    """A rule of the table that involves more than one column or row.

    `violations` is SQL that returns the rows that break it. It runs unchanged in the DuckDB shell and qualifies table
    names with their schema.
    """

    name: str
    meaning: str
    violations: str


@dataclass(frozen=True)
class Expectation:
    """A condition on a table, independent of any validation library: `cdp/quality/gate.py` turns it into a check.

    `columns` are the columns concerned (none for a rule). `violations` is SQL that returns the rows that break the
    expectation; `condition`, if a row can break it by itself, is SQL that is true for such rows.
    """

    table: str
    kind: ExpectationKind
    columns: tuple[str, ...]
    meaning: str
    violations: str
    condition: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of the warehouse: `row` describes what a row is, `key` is what identifies it."""

    schema: str
    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    def ddl(self) -> str:
        """CREATE TABLE without constraints: expectations check them set-wise before a publish."""
        body = ",\n".join(f'  "{column.name}" {column.type.sql}' for column in self.columns)
        return f"create table if not exists {self.full_name} (\n{body}\n)"

    def polars_schema(self) -> pl.Schema:
        return pl.Schema({column.name: column.type.polars for column in self.columns})

    def expectations(self) -> list[Expectation]:
        """All expectations: required and valid columns, the key, references and rules."""
        return [
            *(found for column in self.columns for found in self._of_column(column)),
            *self._of_key(),
            *(self._of_reference(reference) for reference in self.references),
            *(Expectation(self.full_name, "rule", (), rule.meaning, rule.violations) for rule in self.rules),
        ]

    def describe(self) -> str:
        """The table's section of the reference page, in Markdown."""
        rows = "\n".join(
            f"| `{column.name}` | {column.type.sql} | {'yes' if column.required else ''} "
            f"| {column.meaning or column.type.meaning} |"
            for column in self.columns
        )
        key = f"Key: {', '.join(f'`{name}`' for name in self.key)}.\n\n" if self.key else ""
        rules = "".join(f"- {rule.meaning}\n" for rule in self.rules)
        return (
            f"### `{self.full_name}`\n\nA row is {self.row}.\n\n{key}"
            f"| column | type | required | meaning |\n|---|---|---|---|\n{rows}\n" + (f"\n{rules}" if rules else "")
        )

    def _of_column(self, column: Column) -> Iterator[Expectation]:
        name, kind, value = column.name, column.type, f'"{column.name}"'
        if column.required:
            yield self._expect("not_null", name, "is always present", f"{value} is null")
        if kind.allowed:
            values = ", ".join(f"'{word}'" for word in kind.allowed)
            yield self._expect("allowed", name, "is one of the allowed values", f"{value} not in ({values})")
        if kind.pattern:
            broken = f"not regexp_matches({value}, '{kind.pattern}')"
            yield self._expect("pattern", name, f"is well-formed: {kind.meaning}", broken)
        if kind.minimum is not None:
            yield self._expect("minimum", name, f"is at least {kind.minimum}", f"{value} < {kind.minimum}")

    def _expect(self, kind: ExpectationKind, column: str, meaning: str, condition: str) -> Expectation:
        violations = f"select * from {self.full_name} where {condition}"
        return Expectation(self.full_name, kind, (column,), f"{column} {meaning}", violations, condition)

    def _of_key(self) -> Iterator[Expectation]:
        if self.key:
            names = ", ".join(self.key)
            violations = f"select {names} from {self.full_name} group by all having count(*) > 1"
            yield Expectation(self.full_name, "unique", self.key, f"({names}) is unique", violations)

    def _of_reference(self, reference: Reference) -> Expectation:
        violations = (
            f"select l.{reference.column} from {self.full_name} l anti join {reference.table} r "
            f"on l.{reference.column} = r.{reference.table_column} where l.{reference.column} is not null"
        )
        meaning = f"{reference.column} exists in {reference.table}"
        return Expectation(self.full_name, "exists_in", (reference.column,), meaning, violations)
