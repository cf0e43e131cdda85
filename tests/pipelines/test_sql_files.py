"""Every SQL file says truly what it reads and makes, and all of them together fit the order of the stages."""

from __future__ import annotations

import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from sqlglot import exp

from pipelines import flow
from pipelines.run import Run
from tests.pipelines.runs import run, sendgrid, settings_in, write_contacts, write_lines
from tests.pipelines.sql_files import (
    ROOMS,
    ROOT,
    WAREHOUSE_TABLES,
    SqlFile,
    made_in_python,
    modules,
    provided,
    sql_files,
)

FILES = pytest.mark.parametrize("file", sql_files(), ids=lambda file: file.name)
ORDER = list(ROOMS)


def is_temporary(name: str) -> bool:
    return "." not in name


def made_until(room: str) -> set[str]:
    """What is there in a room: the warehouse, and what is made in it and in those before it."""
    earlier = ORDER[: ORDER.index(room) + 1]
    in_files = {name for file in sql_files() if file.room in earlier for name in file.declared().makes}
    return WAREHOUSE_TABLES | in_files | {name for one in earlier for name in provided()[one]}


def test_there_is_no_sql_file_that_no_room_holds() -> None:
    packages = ("cdp", "identity", "pipelines", "api")
    everywhere = {path for package in packages for path in (ROOT / package).rglob("*.sql")}
    assert everywhere == {file.path for file in sql_files()}


def test_there_is_no_sql_file_that_nothing_runs() -> None:
    packages = ("cdp", "identity", "pipelines", "api")
    python = "".join(path.read_text() for package in packages for path in sorted((ROOT / package).rglob("*.py")))
    unused = [file.name for file in sql_files() if not re.search(rf"""["'/]{file.path.stem}["']""", python)]
    assert unused == []


@FILES
def test_a_file_says_what_it_reads_and_makes(file: SqlFile) -> None:
    assert file.declared() == file.done()


@FILES
def test_a_file_begins_with_what_it_reads_and_then_what_it_makes(file: SqlFile) -> None:
    kinds = list(dict.fromkeys(file.heads()))
    assert kinds in (["reads", "makes"], ["reads", "makes", "adds to"])
    assert file.path.read_text().splitlines()[len(file.heads())] == ""


@FILES
def test_a_file_bears_the_name_of_what_it_makes(file: SqlFile) -> None:
    makes = {name for name in file.declared().makes if not name.endswith("()")}
    schemas = {name.split(".")[0] for name in makes}
    assert not makes or file.path.stem in {name.split(".")[-1] for name in makes} or schemas == {file.path.stem}


@FILES
def test_what_a_file_reads_is_there_by_then(file: SqlFile) -> None:
    declared = file.declared()
    assert (declared.reads | declared.adds_to) - made_until(file.room) == set()


def test_a_temporary_relation_is_made_in_one_place() -> None:
    in_files = [name for file in sql_files() for name in file.declared().makes if is_temporary(name)]
    makers = Counter([*in_files, *(name for names in provided().values() for name in names)])
    assert {name: count for name, count in makers.items() if count > 1} == {}


@pytest.mark.parametrize("room", ORDER)
def test_the_files_of_a_room_can_be_run_one_after_the_other(room: str) -> None:
    """No two temporary relations are made of each other."""
    made_of = {
        name: {read for read in file.declared().reads if is_temporary(read)}
        for file in sql_files()
        if file.room == room
        for name in file.declared().makes
        if is_temporary(name)
    }
    TopologicalSorter(made_of).prepare()


@FILES
def test_no_part_of_a_statement_bears_the_name_of_a_relation(file: SqlFile) -> None:
    """A reader who meets the name would take the one for the other."""
    parts = {part.alias for statement in file.statements() for part in statement.find_all(exp.CTE)}
    assert parts & {name for name in made_until(ORDER[-1]) if is_temporary(name)} == set()


@pytest.mark.parametrize("room", ORDER)
def test_what_python_makes_is_listed(room: str) -> None:
    """Where it is created, by a text of its own or around a query of a file. A frame may stand for a relation of an
    earlier room for the length of a block."""
    made = made_in_python(room)
    queries = {name for file in sql_files() if file.room == room and file.is_query() for name in file.declared().makes}
    assert {one.name for one in made if not one.is_frame} - provided()[room].keys() - queries == set()
    assert {one.name for one in made} - made_until(room) == set()


@pytest.mark.parametrize("room", ORDER)
def test_what_is_listed_is_made(room: str) -> None:
    text = "".join(path.read_text() for path in modules(room) if path.name != "relations.py")
    # These get their names from the relations of the metrics.
    named = {name for name in provided()[room] if not name.startswith("metrics_")}
    assert {name for name in named if name.removesuffix("()") not in text} == set()


@pytest.mark.usefixtures("ungated")
@pytest.mark.slow
def test_a_run_makes_what_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is there when a stage ends was declared by it or by one before it."""
    undeclared: dict[str, set[str]] = {}

    def watched(stage: flow.Stage) -> flow.Stage:
        def work(this: Run) -> int:
            rows = stage.work(this)
            undeclared[stage.name] = temporary_relations(this) - made_until(stage.name)
            return rows

        # The publish closes the warehouse.
        return flow.Stage(stage.name, work) if stage.name != "publish" else stage

    def temporary_relations(this: Run) -> set[str]:
        return set(
            this.warehouse.query(
                "select table_name as name from duckdb_tables() where temporary union "
                "select view_name from duckdb_views() where temporary and not internal"
            )["name"]
        )

    monkeypatch.setattr(flow, "STAGES", tuple(map(watched, flow.STAGES)))
    events = [sendgrid("delivered"), sendgrid("click"), sendgrid("unsubscribe", "ben@shop.example")]
    write_lines(tmp_path / "in" / "sendgrid.jsonl", events)
    write_contacts(tmp_path / "in")
    report = run(settings_in(tmp_path), tmp_path / "in")
    assert report["published"]
    assert undeclared == {stage.name: set() for stage in flow.STAGES if stage.name != "publish"}
