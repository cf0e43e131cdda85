"""The SQL of the stages: each statement in a file named after the relation that it makes."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def statement(name: str) -> str:
    """The text of `<stage>/sql/<relation>.sql`; its name is `<stage>/<relation>`."""
    stage, relation = name.split("/")
    return (Path(__file__).parent / stage / "sql" / f"{relation}.sql").read_text()
