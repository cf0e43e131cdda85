"""The input files of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from glob import glob
from pathlib import Path

from cdp.errors import InputRefused
from cdp.sources import Source
from pipelines.land.recognise import InputFile, recognise

DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".gz")
# Written by the simulator next to its logs: the truth, not input.
NOT_INPUT = ("truth.csv", "campaigns_truth.csv")


def discover(inputs: Sequence[str], sources: Mapping[str, Source]) -> list[InputFile]:
    """The input files in the given files, folders and globs, sorted by path.

    Raises:
        InputRefused: nothing was found, or no source recognises a file.
    """
    paths = sorted({path for given in inputs for path in _expand(given)})
    return [recognise(path, sources) for path in paths]


def _expand(given: str) -> Iterator[Path]:
    path = Path(given)
    if path.is_dir():
        found = list(_log_files(path))
        if not found:
            raise InputRefused("the folder has no log files", where=given, hint="See `cdp sources`")
    elif path.exists():
        # A shell that expands `folder/*` also names the side files.
        found = [] if _is_side_file(path) else [path]
    else:
        found = [file for name in glob(given, recursive=True) for file in _log_files(Path(name))]
        if not found:
            raise InputRefused("no such file", where=given, hint="Name a file, a folder or a glob")
    yield from found


def _log_files(path: Path) -> Iterator[Path]:
    """The log files at or below a path."""
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
