"""Land input files, several at a time; already landed ones are skipped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path

from cdp.warehouse import Warehouse
from pipelines.land.landed import COLUMNS, write_landed
from pipelines.land.reading import readable
from pipelines.land.recognise import InputFile
from pipelines.land.rows import rows_of

# Memory holds a block of each file being landed; of a JSON document, all of it.
MAX_FILES_AT_ONCE = 4


def land_inputs(
    warehouse: Warehouse,
    inputs: Sequence[InputFile],
    known: set[str],
    *,
    folder: Path,
    landed_at: datetime,
    run_id: str,
    threads: int,
    advanced: Callable[[int, int], None],
) -> int:
    """Write the rows of the `inputs` whose file ids are not `known` below `folder`; returns the number of known ones.

    Args:
        advanced: called with the number of inputs done and their total.

    Raises:
        InputRefused: a file cannot be read to its end.
    """
    unknown: dict[str, tuple[InputFile, str]] = {}
    for input_file in inputs:
        sha256 = digest(input_file.path)
        file_id = file_id_of(input_file, sha256)
        if file_id not in known:
            unknown.setdefault(file_id, (input_file, sha256))

    def land_beside(input_file: InputFile, sha256: str) -> Path:
        with closing(warehouse.beside()) as beside:
            return land_file(beside, input_file, sha256, folder=folder, landed_at=landed_at, run_id=run_id)

    known_count = len(inputs) - len(unknown)
    with ThreadPoolExecutor(min(threads, MAX_FILES_AT_ONCE)) as pool:
        landing = [pool.submit(land_beside, *found) for found in unknown.values()]
        try:
            for done, _ in enumerate(map(Future.result, landing), 1):
                advanced(known_count + done, len(inputs))
        finally:
            pool.shutdown(cancel_futures=True)
    return known_count


def land_file(
    warehouse: Warehouse,
    input_file: InputFile,
    sha256: str,
    *,
    folder: Path,
    landed_at: datetime,
    run_id: str,
) -> Path:
    """Write the rows of `input_file` below `folder`; return the Parquet file.

    Raises:
        InputRefused: the file cannot be read to its end.
    """
    metadata = {
        "file_id": file_id_of(input_file, sha256),
        "source": input_file.source_name,
        "format": input_file.source.name,
        "path": input_file.path.as_posix(),
        "sha256": sha256,
        "byte_count": input_file.path.stat().st_size,
        "mapping": input_file.mapping.model_dump(mode="json") if input_file.mapping else None,
        "landed_at": landed_at.isoformat(),
        "run_id": run_id,
    }
    return write_landed(folder, metadata, rows_of(warehouse, input_file), COLUMNS)


def file_id_of(input_file: InputFile, sha256: str) -> str:
    """The file's id: the same for the same content under another name, different for another mapping."""
    parts = [input_file.source_name, sha256]
    if input_file.mapping:
        parts.append(input_file.mapping.model_dump_json(exclude={"files"}))
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:16]


def digest(path: Path) -> str:
    """SHA-256 of the file's bytes on disk."""
    with readable(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
