"""Which files a run is given, and whose log each of them is."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import glob
from pathlib import Path
from typing import IO, Any, Literal, cast

import polars as pl

from cdp.errors import ConfigurationError, InputRefused
from cdp.sources import Source
from cdp.sources.columns import ColumnMapping, guess_mapping, load_mapping
from pipelines.delimited import MAX_RECORD_LINES, dialect_of, header_of

Layout = Literal["lines", "document", "csv", "parquet"]

DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".gz")
LINE_SUFFIXES = {".jsonl", ".ndjson"}
# Written by the simulator beside its logs: what is true, not what was seen.
NOT_INPUT = ("truth.csv", "campaigns_truth.csv")
SNIFFED_BYTES = 256 * 1024
# So few NULs at a file's beginning are dirt in a text; more of them are UTF-16 or no text at all.
SNIFFED_TEXT, STRAY_NULS = 1024, 8
SNIFFED_RECORDS = 50
# A file without a header shows a person's data where names of fields would stand.
PERSONAL = re.compile(r"@|\d{4}")


@dataclass(frozen=True)
class InputFile:
    """A file to land: who made it (`source`), how it is laid out, and its mapping where it needs one."""

    path: Path
    source: Source
    layout: Layout
    mapping: ColumnMapping | None = None
    guessed: bool = False

    @property
    def source_name(self) -> str:
        return self.mapping.source if self.mapping else self.source.name


def discover(inputs: Sequence[str], sources: Mapping[str, Source]) -> list[InputFile]:
    """The input files below files, folders and globs, in the order of their paths.

    Raises:
        InputRefused: nothing is there, or a file is nobody's.
    """
    paths = sorted({path for given in inputs for path in _expand(given)})
    return [recognise(path, sources) for path in paths]


def recognise(path: Path, sources: Mapping[str, Source]) -> InputFile:
    """Tell whose log `path` is: by a mapping file beside it, by its name, by the keys of its records.

    Raises:
        InputRefused: the file cannot be read, or no source claims it.
        ConfigurationError: its mapping file is wrong.
    """
    head = _Head.of(path)
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
        f"no source knows this file (its fields: {', '.join(fields[:12]) or 'none'})",
        where=str(path),
        hint="See `cdp sources`, or put a mapping file beside it",
    )


@dataclass(frozen=True)
class _Head:
    """The first records of a file: enough to tell what it is."""

    layout: Layout
    records: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, path: Path) -> _Head:
        with readable(path), open_bytes(path) as stream:
            head = stream.read(SNIFFED_BYTES)
        if head.startswith(b"PAR1"):
            return cls("parquet", (frozenset(_parquet_columns(path)),))
        text = head.decode("utf-8", errors="replace").lstrip("\ufeff")
        if not text.strip():
            raise InputRefused("the file is empty", where=str(path))
        if text[:SNIFFED_TEXT].count("\0") > STRAY_NULS:
            raise InputRefused("neither UTF-8 text nor Parquet", where=str(path), hint="Save it as UTF-8")
        layout = _text_layout(path, text)
        if layout == "csv":
            return cls(layout, (frozenset(_csv_names(path, text)),))
        return cls(layout, tuple(frozenset(record) for record in _json_records(text, layout)))

    def columns(self) -> list[str]:
        return sorted({key for record in self.records for key in record})


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, inflated where it is gzipped."""
    with path.open("rb") as stream:
        gzipped = stream.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if gzipped else path.open("rb")


class readable:
    """Turn a file that cannot be read to its end into a refusal of that file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, EOFError):
            problem = "the gzip file is truncated"
        elif isinstance(error, (gzip.BadGzipFile, zlib.error)):
            problem = "the gzip file is damaged"
        elif isinstance(error, OSError):
            problem = f"cannot read: {error.strerror or error}"
        else:
            return
        raise InputRefused(problem, where=str(self.path), hint="Fetch it again; nothing of this run was taken in")


def _expand(given: str) -> Iterator[Path]:
    path = Path(given)
    if path.is_dir():
        found = list(_log_files(path))
        if not found:
            raise InputRefused("the folder holds no log files", where=given, hint="See `cdp sources`")
    elif path.exists():
        # Named with the others where a shell expands `folder/*`.
        found = [] if _is_side_file(path) else [path]
    else:
        found = [file for name in glob(given, recursive=True) for file in _log_files(Path(name))]
        if not found:
            raise InputRefused("there is no such file", where=given, hint="Name a file, a folder or a glob")
    yield from found


def _log_files(path: Path) -> Iterator[Path]:
    """The path itself, or all below it, if it is a log file."""
    yield from filter(_is_input, path.rglob("*") if path.is_dir() else [path])


def _is_input(path: Path) -> bool:
    return (
        path.is_file()
        and not path.name.startswith(".")
        and not _is_side_file(path)
        and path.suffix.lower() in DATA_SUFFIXES
    )


def _is_side_file(path: Path) -> bool:
    return path.name in NOT_INPUT or path.name.endswith(".mapping.yaml")


def _claimed_by_name(path: Path, sources: Mapping[str, Source]) -> Source | None:
    claims = [source for source in sources.values() if source.claims_name(path.name) and not source.needs_mapping]
    return claims[0] if len(claims) == 1 else None


def _claimed_by_keys(head: _Head, sources: Mapping[str, Source]) -> Source | None:
    claims = {source.name: source.claims_keys(head.records) for source in sources.values()}
    strongest = max(claims, key=lambda name: (claims[name], name))
    return sources[strongest] if claims[strongest] else None


def _mapping_beside(path: Path) -> ColumnMapping | None:
    mappings = {file: load_mapping(file) for file in sorted(path.parent.glob("*.mapping.yaml"))}
    fitting = [file for file, mapping in mappings.items() if fnmatch(path.name.lower(), mapping.files.lower())]
    if len(fitting) > 1:
        names = " and ".join(file.name for file in fitting)
        raise ConfigurationError(f"two mapping files claim this file: {names}", where=str(path))
    return mappings[fitting[0]] if fitting else None


def _require_columns(path: Path, head: _Head, source: Source) -> None:
    missing = source.csv_columns - set(head.columns())
    if head.layout == "csv" and missing:
        raise InputRefused(
            f"a {source.title} needs the columns {', '.join(sorted(source.csv_columns))}; "
            f"missing: {', '.join(sorted(missing))}",
            where=str(path),
        )


def _parquet_columns(path: Path) -> list[str]:
    try:
        return list(pl.read_parquet_schema(path))
    except pl.exceptions.PolarsError as error:
        raise InputRefused("the Parquet file is damaged", where=str(path), hint="Fetch it again") from error


def _text_layout(path: Path, text: str) -> Layout:
    """Lines, if the file's name or most of its lines say so; a document, if its first character does; else CSV."""
    if LINE_SUFFIXES & {suffix.lower() for suffix in path.suffixes}:
        return "lines"
    if text.lstrip()[0] not in "{[":
        return "csv"
    lines = [value for line in text.splitlines()[:SNIFFED_RECORDS] if line.strip() for value in [_parsed(line)]]
    if len(lines) > 1:
        return "lines" if 2 * sum(isinstance(value, (dict, list)) for value in lines) >= len(lines) else "document"
    return "document" if lines[0] is None or _wraps_records(lines[0]) else "lines"


def _csv_names(path: Path, text: str) -> tuple[str, ...]:
    """The names in a CSV file's header."""
    lines = text.lstrip().replace("\r\n", "\n").split("\n", MAX_RECORD_LINES)
    if "\r" in lines[0].rstrip() and not any(lines[1:]):
        problem = "the lines end with carriage returns alone"
        raise InputRefused(problem, where=str(path), hint="Save it with the line ends of Unix or Windows")
    return dialect_of(header_of(lines)).names


def _wraps_records(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and any(map(_is_records, value.values())))


def _json_records(text: str, layout: Layout) -> Iterator[dict[str, Any]]:
    values = map(_parsed, text.splitlines()[:SNIFFED_RECORDS]) if layout == "lines" else iter(_first_element(text))
    for value in values:
        yield from _records_in(value)


def _records_in(value: Any) -> Iterator[dict[str, Any]]:
    """The records of a parsed value: itself, a list's elements, or the elements of a list that it wraps."""
    if isinstance(value, list):
        yield from (element for element in value if isinstance(element, dict))
    elif isinstance(value, dict):
        yield value
        for inner in value.values():
            if _is_records(inner):
                yield from inner


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, dict) for element in value)


def _first_element(text: str) -> Iterator[Any]:
    """The first record of a document of which `text` may be only the beginning."""
    whole = _parsed(text)
    if whole is not None:
        yield whole
        return
    start = text.find("[") + 1
    while start and start < len(text) and text[start] in " \r\n\t":
        start += 1
    try:
        yield json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError:
        return


def _parsed(text: str) -> Any | None:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
