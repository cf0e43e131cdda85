"""One declaration of a table gives DDL, a Polars schema, expectations and a page."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cdp import fields as f
from cdp.channels import CHANNEL_NAMES
from cdp.contract import Column, Reference, Rule, Table
from cdp.warehouse import Warehouse, open_memory

PEOPLE = Table(
    "contract_test",
    "people",
    "a person",
    (
        Column("id", f.ProfileId, True),
        Column("channel", f.Channel, False, "where we met"),
        Column("visits", f.Count),
        Column("met_at", f.UtcTime),
        Column("spent", f.Money),
    ),
    key=("id",),
)
VISITS = Table(
    "contract_test",
    "visits",
    "a visit",
    (Column("id", f.ProfileId), Column("day", f.CalendarDate), Column("hours", f.Hours)),
    key=("id", "day"),
    references=(Reference("id", "contract_test.people", "id"),),
    rules=(
        Rule(
            "by_day",
            "nobody comes at night",
            "select id from contract_test.visits where list_contains(hours, 3)",
        ),
    ),
)

ANN, BO = (f"prf_{'0' * 25}{digit}" for digit in "12")


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    opened = open_memory()
    opened.create_tables([PEOPLE, VISITS])
    yield opened
    opened.close()


def violations(warehouse: Warehouse, table: Table) -> dict[str, int]:
    """Violated expectations: meaning → number of rows returned by the violations SQL."""
    counts = {one.meaning: warehouse.scalar(f"select count(*) from ({one.violations})") for one in table.expectations()}
    return {meaning: count for meaning, count in counts.items() if count}


def people(*rows: tuple[object, ...]) -> pl.DataFrame:
    full = [(*row, *[None] * (len(PEOPLE.columns) - len(row))) for row in rows]
    return pl.DataFrame(full, schema=PEOPLE.polars_schema(), orient="row")


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ([], {}),
        ([(ANN, "email", 0), (BO, None, None)], {}),
        ([(None,)], {"id is always present": 1}),
        ([("prf_1",), ("x" + ANN,)], {"id looks like: a unified person": 2}),
        ([(ANN,), (ANN,), (BO,)], {"(id) tells rows apart": 1}),
        ([(ANN, "fax")], {"channel is one of the known words": 1}),
        ([(ANN, "EMAIL")], {"channel is one of the known words": 1}),
        ([(ANN, "email", -1)], {"visits is at least 0": 1}),
    ],
)
def test_violations_of_columns_and_key(
    warehouse: Warehouse, rows: list[tuple[object, ...]], broken: dict[str, int]
) -> None:
    warehouse.append_rows(PEOPLE, people(*rows))
    assert violations(warehouse, PEOPLE) == broken


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        (f"('{ANN}', '2025-01-01', [9]), ('{ANN}', '2025-01-02', [9]), (null, '2025-01-01', null)", {}),
        (f"('{ANN}', '2025-01-01', [9]), ('{ANN}', '2025-01-01', [10])", {"(id, day) tells rows apart": 1}),
        (f"('{BO}', '2025-01-01', [9])", {"id exists in contract_test.people": 1}),
        (f"('{ANN}', '2025-01-01', [3])", {"nobody comes at night": 1}),
    ],
)
def test_violations_of_compound_key_reference_and_rule(warehouse: Warehouse, rows: str, broken: dict[str, int]) -> None:
    warehouse.append_rows(PEOPLE, people((ANN,)))
    warehouse.run(f"insert into contract_test.visits values {rows}")
    assert violations(warehouse, VISITS) == broken


def test_expectations_name_their_columns() -> None:
    assert [(one.kind, one.columns) for one in VISITS.expectations()] == [
        ("pattern", ("id",)),
        ("unique", ("id", "day")),
        ("exists_in", ("id",)),
        ("rule", ()),
    ]
    assert [one.condition for one in VISITS.expectations()][1:] == [None, None, None]
    [allowed] = [one.condition for one in PEOPLE.expectations() if one.kind == "allowed"]
    assert allowed == f'"channel" not in ({", ".join(map(repr, CHANNEL_NAMES))})'


def test_rows_keep_their_types_through_the_warehouse(warehouse: Warehouse) -> None:
    warehouse.run(
        f"insert into contract_test.people values "
        f"('{ANN}', 'email', 3, '2025-03-01 12:00:00.123456+02', 1234567890123456.78)"
    )
    read = warehouse.query("from contract_test.people")
    assert read.schema == PEOPLE.polars_schema()
    warehouse.replace_rows(PEOPLE, read)
    assert_frame_equal(warehouse.query("from contract_test.people"), read)
    assert str(read["met_at"][0]) == "2025-03-01 10:00:00.123456+00:00"
    assert str(read["spent"][0]) == "1234567890123456.78"


def test_describe_is_the_tables_page() -> None:
    assert PEOPLE.describe() == (
        "### `contract_test.people`\n\nA row is a person.\n\nKey: `id`.\n\n"
        "| column | type | required | meaning |\n|---|---|---|---|\n"
        "| `id` | VARCHAR | yes | a unified person |\n"
        "| `channel` | VARCHAR |  | where we met |\n"
        "| `visits` | BIGINT |  | how many; never negative |\n"
        "| `met_at` | TIMESTAMPTZ |  | a point in time, UTC |\n"
        "| `spent` | DECIMAL(18,2) |  | an amount; its currency stands beside it |\n"
    )
    assert VISITS.describe().endswith("\n- nobody comes at night\n")
