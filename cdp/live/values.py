"""Identifier values that match a pattern of junk or generic values: `data/reference/identifier_values.csv`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from cdp.people.identifiers import Identifier


class WorthlessLooks:
    """The compiled patterns of junk and of generic values."""

    def __init__(self, patterns: pl.DataFrame) -> None:
        """Args: patterns: type, pattern (a regular expression over the whole lower-cased value)."""
        by_type: dict[str, list[str]] = {}
        for kind, pattern in patterns.select("type", "pattern").iter_rows():
            by_type.setdefault(kind, []).append(f"(?:{pattern})")
        self._patterns = {kind: re.compile("|".join(found)) for kind, found in by_type.items()}

    @classmethod
    def read(cls, reference: Path) -> WorthlessLooks:
        return cls(pl.read_csv(reference / "identifier_values.csv"))

    def without(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """The identifiers that match no pattern."""
        return {one for one in identifiers if not self._matches(*one)}

    def _matches(self, kind: str, value: str) -> bool:
        pattern = self._patterns.get(kind)
        return pattern is not None and pattern.fullmatch(value.lower()) is not None
