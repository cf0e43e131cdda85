"""Detects the source of a file: by a mapping file next to it, by its name, by the keys of its records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from cdp.errors import ConfigurationError, InputRefused
from cdp.sources import Source
from cdp.sources.columns import ColumnMapping, guess_mapping, load_mapping
from pipelines.land.head import Head, Layout

# In a file without a header, personal data appears in place of field names.
PERSONAL = re.compile(r"@|\d{4}")


@dataclass(frozen=True)
class InputFile:
    """A file to land: its source, its layout, and its mapping if it needs one."""

    path: Path
    source: Source
    layout: Layout
    mapping: ColumnMapping | None = None
    guessed: bool = False

    @property
    def source_name(self) -> str:
        return self.mapping.source if self.mapping else self.source.name


def recognise(path: Path, sources: Mapping[str, Source]) -> InputFile:
    """Detect the source of `path`: by a mapping file next to it, by its name, by the keys of its records.

    Raises:
        InputRefused: the file cannot be read, or no source claims it.
        ConfigurationError: its mapping file is invalid.
    """
    head = Head.of(path)
    mapping = _mapping_beside(path)
    if mapping:
        return InputFile(path, sources[mapping.kind], head.layout, mapping)
    source = _claimed_by_name(path, sources) or _claimed_by_keys(head, sources)
    if source:
        _require_columns(path, head, source)
        return InputFile(path, source, head.layout)
    guess = guess_mapping(head.columns(), path.name.split(".")[0].lower(), None)
    if guess:
        return InputFile(path, sources[guess.kind], head.layout, guess, guessed=True)
    fields = [name for name in head.columns() if not PERSONAL.search(name)]
    raise InputRefused(
        f"no source recognises this file (its fields: {', '.join(fields[:12]) or 'none'})",
        where=str(path),
        hint="See `cdp sources`, or put a mapping file next to it",
    )


def _claimed_by_name(path: Path, sources: Mapping[str, Source]) -> Source | None:
    claims = [source for source in sources.values() if source.claims_name(path.name) and not source.needs_mapping]
    return claims[0] if len(claims) == 1 else None


def _claimed_by_keys(head: Head, sources: Mapping[str, Source]) -> Source | None:
    claims = {source.name: source.claims_keys(head.records) for source in sources.values()}
    strongest = max(claims, key=lambda name: (claims[name], name))
    return sources[strongest] if claims[strongest] else None


def _mapping_beside(path: Path) -> ColumnMapping | None:
    mappings = {file: load_mapping(file) for file in sorted(path.parent.glob("*.mapping.yaml"))}
    fitting = [file for file, mapping in mappings.items() if fnmatch(path.name.lower(), mapping.files.lower())]
    if len(fitting) > 1:
        names = " and ".join(file.name for file in fitting)
        raise ConfigurationError(f"two mapping files match this file: {names}", where=str(path))
    return mappings[fitting[0]] if fitting else None


def _require_columns(path: Path, head: Head, source: Source) -> None:
    missing = source.csv_columns - set(head.columns())
    if head.layout == "csv" and missing:
        raise InputRefused(
            f"a {source.title} needs the columns {', '.join(sorted(source.csv_columns))}; "
            f"missing: {', '.join(sorted(missing))}",
            where=str(path),
        )
