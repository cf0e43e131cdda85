"""The SQL files as they declare themselves (`-- reads:`, `-- makes:`, `-- adds to:`), and what their statements do."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlglot
from sqlglot import exp

from cdp import tables
from pipelines.flow import STAGES

ROOT = Path(__file__).resolve().parents[2]
# What a stage does, and is not in its own folder.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "conform": ("cdp/conform",),
    "match": ("identity",),
    "segments": ("cdp/segments",),
}
# The folders in the order in which a run gets to them; what is asked of a published warehouse comes last.
ROOMS: Mapping[str, tuple[str, ...]] = {
    name: (*BESIDE.get(name, ()), f"pipelines/{name}") for name in (*(stage.name for stage in STAGES), "evaluation")
}
# What every connection has: the tables, the view of landed rows, and what SQL knows of channels (`cdp/channels.py`).
WAREHOUSE_TABLES = {table.full_name for table in tables.TABLES} | {"landing.records", "message_channels"}

_DECLARED = re.compile(r"-- (reads|makes|adds to): (.+)")
_NOTHING = re.compile(r"nothing\b")


@dataclass(frozen=True)
class Relations:
    """Names of relations, and of macros with `()` behind them."""

    reads: frozenset[str]
    makes: frozenset[str]
    adds_to: frozenset[str]


@dataclass(frozen=True)
class SqlFile:
    path: Path
    room: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    def declared(self) -> Relations:
        """What the lines at its head say; each of them stands before any other line."""
        said: dict[str, set[str]] = {"reads": set(), "makes": set(), "adds to": set()}
        for line in self.path.read_text().splitlines():
            found = _DECLARED.fullmatch(line)
            if found is None:
                break
            said[found[1]] |= set() if _NOTHING.match(found[2]) else {name.strip() for name in found[2].split(",")}
        return Relations(*(frozenset(said[kind]) for kind in ("reads", "makes", "adds to")))

    def heads(self) -> list[str]:
        """Which of the lines there are, in their order."""
        return [found[1] for line in self.path.read_text().splitlines() if (found := _DECLARED.match(line))]

    def statements(self) -> list[exp.Expr]:
        return [one for one in sqlglot.parse(self.path.read_text(), dialect="duckdb") if one is not None]

    def is_query(self) -> bool:
        """Whether it only asks: Python puts the words around it where a relation is made of it."""
        return all(_target(statement) is None for statement in self.statements())

    def done(self) -> Relations:
        """What the statements do. A query makes, or adds to, what it declares."""
        reads: set[str] = set()
        created: set[str] = set()
        written: set[str] = set()
        for statement in self.statements():
            target = _target(statement)
            reads |= _read(statement, target) - created
            if isinstance(statement, exp.Create):
                created |= {_made(statement)} - {""}
            elif target is not None:
                written.add(_name(target))
        if self.is_query():
            return Relations(frozenset(reads), self.declared().makes & {self.path.stem}, self.declared().adds_to)
        added = {name for name in written - created if "." not in name}
        return Relations(frozenset(reads), frozenset(created | written - added), frozenset(added))


def _target(statement: exp.Expr) -> exp.Table | None:
    """The table that a statement creates or writes to."""
    if isinstance(statement, (exp.Create, exp.Insert, exp.Delete, exp.Update)):
        made = statement.this
        return made if isinstance(made, exp.Table) else made.find(exp.Table)
    return None


def _made(statement: exp.Create) -> str:
    if statement.kind == "SCHEMA":
        return ""
    target = _target(statement)
    assert target is not None
    return f"{_name(target)}()" if statement.kind in ("FUNCTION", "MACRO") else _name(target)


def _read(statement: exp.Expr, target: exp.Table | None) -> set[str]:
    own = {part.alias for part in statement.find_all(exp.CTE)}
    read = {
        _name(table)
        for table in statement.find_all(exp.Table)
        # What stands in FROM and is no name is a function such as read_parquet().
        if table is not target and isinstance(table.this, exp.Identifier) and (table.db or table.name not in own)
    }
    called = {f"{function.name.lower()}()" for function in statement.find_all(exp.Anonymous)}
    return read | (called & macros())


def _name(table: exp.Table) -> str:
    return ".".join(part for part in (table.db, table.name) if part)


@cache
def sql_files() -> tuple[SqlFile, ...]:
    return tuple(
        SqlFile(path, room)
        for room, folders in ROOMS.items()
        for folder in folders
        for path in sorted((ROOT / folder / "sql").glob("*.sql"))
    )


@cache
def provided() -> Mapping[str, Mapping[str, str]]:
    """By room, the relations that Python makes there: `relations.py` lists them, each with what it holds."""
    return {
        room: {
            name: meaning
            for folder in folders
            if (ROOT / folder / "relations.py").exists()
            for name, meaning in importlib.import_module(f"{folder.replace('/', '.')}.relations").PROVIDED.items()
        }
        for room, folders in ROOMS.items()
    }


@cache
def macros() -> frozenset[str]:
    in_files = {name for file in sql_files() for name in file.declared().makes}
    in_python = {name for names in provided().values() for name in names}
    return frozenset(name for name in in_files | in_python if name.endswith("()"))


@dataclass(frozen=True)
class MadeInPython:
    """A relation that Python makes under a name that stands in its text. A frame is there for the length of a block."""

    name: str
    is_frame: bool


def modules(room: str) -> list[Path]:
    return [path for folder in ROOMS[room] for path in sorted((ROOT / folder).glob("*.py"))]


def made_in_python(room: str) -> set[MadeInPython]:
    return {made for path in modules(room) for node in ast.walk(ast.parse(path.read_text())) for made in _made_by(node)}


_CREATED = re.compile(r"create (?:or replace )?temp (table|view|macro) (\w+)")


def _made_by(node: ast.AST) -> Iterator[MadeInPython]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "frame":
        yield MadeInPython(ast.literal_eval(node.args[0]), is_frame=True)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        for kind, name in _CREATED.findall(node.value):
            yield MadeInPython(f"{name}()" if kind == "macro" else name, is_frame=False)
