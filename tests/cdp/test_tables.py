"""The warehouse's contracts hold together: with DuckDB, with Polars and with one another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdp.contract import Table
from cdp.tables import EVENTS, FILES, GATED, MEMBERS, TABLES
from cdp.warehouse import Warehouse, open_memory

BY_NAME = {table.full_name: table for table in TABLES}


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    opened = open_memory()
    opened.create_tables(TABLES)
    yield opened
    opened.close()


def every(tables: tuple[Table, ...] = TABLES) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("table", tables, ids=lambda table: table.full_name)


@every()
def test_ddl_runs_and_can_run_again(table: Table) -> None:
    warehouse = open_memory()
    warehouse.create_tables([table])
    warehouse.create_tables([table])
    assert warehouse.count(table.full_name) == 0


@every()
def test_duckdb_returns_the_polars_schema(warehouse: Warehouse, table: Table) -> None:
    assert warehouse.query(f"from {table.full_name}").schema == table.polars_schema()


@every()
def test_a_full_row_goes_in_and_out_unchanged(warehouse: Warehouse, table: Table) -> None:
    samples = {
        "TIMESTAMPTZ": "'2025-03-01 10:00:00.123456+00'",
        "DATE": "'2025-03-01'",
        "BOOLEAN": "true",
        "INTEGER[]": "[9, 17]",
        "JSON": "'{\"a\": 1}'",
        "VARCHAR": "'text'",
    }
    values = ", ".join(samples.get(column.type.sql, "7") for column in table.columns)
    warehouse.run(f"insert into {table.full_name} values ({values})")
    rows = warehouse.query(f"from {table.full_name}")
    warehouse.replace_rows(table, rows)
    assert warehouse.query(f"from {table.full_name}").rows() == rows.rows()


@every()
def test_every_expectation_runs_and_holds_on_empty_tables(warehouse: Warehouse, table: Table) -> None:
    for expectation in table.expectations():
        assert warehouse.scalar(f"select count(*) from ({expectation.violations})") == 0, expectation.meaning


@every()
def test_expectations_have_distinct_texts(table: Table) -> None:
    meanings = [expectation.meaning for expectation in table.expectations()]
    assert sorted(set(meanings)) == sorted(meanings)


@every()
def test_a_missing_required_value_is_found(warehouse: Warehouse, table: Table) -> None:
    names = [column.name for column in table.columns]
    warehouse.run(f"insert into {table.full_name} values ({', '.join(['null'] * len(names))})")
    missed = [
        one.columns[0]
        for one in table.expectations()
        if one.kind == "not_null" and warehouse.scalar(f"select count(*) from ({one.violations})") == 1
    ]
    assert missed == [column.name for column in table.columns if column.required]


@every()
def test_table_is_documented(table: Table) -> None:
    page = table.describe()
    assert page.startswith(f"### `{table.full_name}`\n\nA row is {table.row}.")
    for column in table.columns:
        assert f"| `{column.name}` | {column.type.sql} |" in page
        assert column.meaning or column.type.meaning
    for rule in table.rules:
        assert f"- {rule.meaning}\n" in page


@every()
def test_key_and_references_name_columns_that_exist(table: Table) -> None:
    names = set(table.column_names())
    assert len(names) == len(table.columns)
    assert set(table.key) <= names
    for reference in table.references:
        target = BY_NAME[reference.table]
        assert reference.column in names
        assert target.key == (reference.table_column,), "a reference leads to one row"


def test_names_are_unique_and_only_the_runs_own_books_go_unchecked() -> None:
    assert len(BY_NAME) == len(TABLES)
    unchecked = [table.full_name for table in TABLES if table not in GATED]
    assert unchecked == ["runs.runs", "runs.stages", "quality.results"]


FILE_ROW = (
    "insert into landing.files by name select 'f' as file_id, 'log.jsonl' as path, ? as source, "
    "?::bigint as row_count, ?::bigint as reject_count, ? as run_id"
)


@pytest.mark.parametrize(
    ("files", "broken"),
    [
        # (source, rows, refused, run)
        ([("shop", 100, 25, "r1")], 0),
        ([("shop", 100, 26, "r1")], 1),
        ([("shop", 2, 2, "r1")], 0),
        ([("shop", 3, 3, "r1")], 1),
        ([("shop", 10, 9, "r1"), ("shop", 100, 0, "r1")], 0),
        ([("shop", 10, 9, "r1"), ("shop", 100, 0, "r2")], 1),
        ([("shop", 10, 9, "r1"), ("mail", 100, 0, "r1")], 1),
    ],
)
def test_a_mostly_refused_source_fails_the_gate(
    warehouse: Warehouse, files: list[tuple[str, int, int, str]], broken: int
) -> None:
    for row in files:
        warehouse.run(FILE_ROW, row)
    (rule,) = FILES.rules
    assert len(warehouse.query(rule.violations)) == broken
    # Senders over HTTP must not be able to stop runs.
    warehouse.run("update landing.files set path = 'inbox:shop:1-100'")
    assert warehouse.query(rule.violations).is_empty()


@pytest.mark.parametrize(
    ("observations", "members", "broken"),
    [
        # members: (observation, valid_to_run)
        (["o1", "o2"], [("o1", None), ("o2", None)], {}),
        (["o1"], [("o1", "r1"), ("o1", None)], {}),
        (["o1"], [("o1", None), ("o1", None)], {"one_profile": 1}),
        (["o1", "o2"], [("o1", None)], {"all_resolved": 1}),
        (["o1"], [("o1", "r1")], {"all_resolved": 1}),
    ],
)
def test_every_observation_belongs_to_one_profile(
    warehouse: Warehouse,
    observations: list[str],
    members: list[tuple[str, str | None]],
    broken: dict[str, int],
) -> None:
    for observation in observations:
        warehouse.run("insert into conformed.observations (observation_id) values (?)", [observation])
    for member in members:
        warehouse.run("insert into identity.members (observation_id, valid_to_run) values (?, ?)", member)
    counts = {rule.name: len(warehouse.query(rule.violations)) for rule in MEMBERS.rules}
    assert {name: count for name, count in counts.items() if count} == broken


def test_events_carry_their_lineage_and_their_person() -> None:
    required = {column.name for column in EVENTS.columns if column.required}
    assert {"event_id", "observation_id", "file_id", "line_number", "occurred_at"} <= required
