"""An input file's bytes. A file that cannot be read to its end is refused."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, Any, cast

from cdp.errors import InputRefused


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed if it is gzipped."""
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
        raise InputRefused(problem, where=str(self.path), hint="Download it again; nothing of this run was published")
