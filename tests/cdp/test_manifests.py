"""Every column of a domain with a manifest has its line, and every path leads to a person."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from cdp.store.manifest import Lines
from cdp.store.schema import metadata

ROOT = Path(__file__).parents[2]
DOMAINS = sorted(path.parent.name for path in ROOT.glob("cdp/*/manifest.py") if path.parent.name != "store")
TABLES = metadata().tables


def manifest(domain: str) -> dict[str, Lines]:
    return dict(importlib.import_module(f"cdp.{domain}.manifest").MANIFEST)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_column_has_one_line(domain: str) -> None:
    module = importlib.import_module(f"cdp.{domain}.tables")
    declared = {value.name: value for value in vars(module).values() if isinstance(value, sa.Table)}
    lines = manifest(domain)
    assert lines.keys() == declared.keys()
    for name, table in declared.items():
        assert Counter(lines[name].columns.keys()) == Counter(table.c.keys()), name


@pytest.mark.parametrize("domain", DOMAINS)
def test_rows_about_people_are_found_by_a_path(domain: str) -> None:
    for name, lines in manifest(domain).items():
        is_about_people = set(lines.columns.values()) != {"none"}
        assert is_about_people == (lines.path is not None) == (lines.action == "delete"), name
        if lines.path:
            column, _, target = lines.path.partition(" -> ")
            assert column in TABLES[name].c
            table, _, key = target.partition(".")
            assert key == "profile_id" and key in TABLES[table].c if target else column == "profile_id"
