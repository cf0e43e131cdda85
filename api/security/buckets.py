"""Token buckets of clients: in the memory of a process, or in a file that all workers of a server share."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol


@dataclass
class Bucket:
    """The remaining requests of a client, as of a time in seconds of the machine's monotonic clock."""

    level: float
    filled_at: float


class Buckets(Protocol):
    """Buckets by client."""

    def of(self, client: str, new: Bucket) -> AbstractContextManager[Bucket]:
        """The client's bucket, or `new` if it has none, to be changed within the block."""
        ...


class OwnBuckets:
    """Buckets of one process. The least recently seen client is evicted first; its bucket is full again by then."""

    _MOST = 10_000

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    @contextmanager
    def of(self, client: str, new: Bucket) -> Iterator[Bucket]:
        """The client's bucket, or `new`."""
        bucket = self._buckets.setdefault(client, new)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._MOST:
            self._buckets.popitem(last=False)
        yield bucket


# A hash of the client, and its bucket: level and filled_at. An unused place is all zeros.
_PLACE = struct.Struct("=16sdd")
_PLACES_IN_ROW = 8
_ROW_BYTES = _PLACE.size * _PLACES_IN_ROW
_ROWS = 2_048
_NOBODY = bytes(16)


# The environment variable with the path of the shared file, which `cdp serve` sets for several workers.
SHARED_BUCKETS = "TRIBUTARY_SHARED_BUCKETS"


def buckets_of_server() -> Buckets:
    """The buckets that all workers of this server share; those of this process if it is the only one."""
    path = os.environ.get(SHARED_BUCKETS)
    return SharedBuckets(Path(path)) if path else OwnBuckets()


def create_shared_buckets(path: Path) -> None:
    """Create the empty file of `SharedBuckets`."""
    with path.open("xb") as file:
        file.truncate(_ROWS * _ROW_BYTES)


class SharedBuckets:
    """Buckets in a file that several processes use at once; a lock of a dead process is released by the system.

    The file is a table: a client's bucket is in the row that its hash names, which is locked while it is changed. In a
    full row the least recently seen client is evicted.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._table = mmap.mmap(self._file.fileno(), 0)

    @contextmanager
    def of(self, client: str, new: Bucket) -> Iterator[Bucket]:
        """The client's bucket, or `new`."""
        key = blake2b(client.encode(), digest_size=16).digest()
        row = int.from_bytes(key[:4], "big") % _ROWS * _ROW_BYTES
        fcntl.lockf(self._file, fcntl.LOCK_EX, _ROW_BYTES, row)
        try:
            place, bucket = self._find(row, key, new)
            yield bucket
            _PLACE.pack_into(self._table, place, key, bucket.level, bucket.filled_at)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _ROW_BYTES, row)

    def _find(self, row: int, key: bytes, new: Bucket) -> tuple[int, Bucket]:
        """The client's place in the row and its bucket; for a new one, an unused place or the least recently used."""
        places = range(row, row + _ROW_BYTES, _PLACE.size)
        found = [(place, *_PLACE.unpack_from(self._table, place)) for place in places]
        for place, holder, level, filled_at in found:
            if holder == key:
                return place, Bucket(level, filled_at)
        place, *_ = min(found, key=lambda one: (one[1] != _NOBODY, one[3]))
        return place, new
