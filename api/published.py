"""The published warehouse, for history, which the store does not hold. Read-only, off the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from api.errors import ApiError
from cdp.settings import Settings
from cdp.warehouse import Warehouse, open_published, published_path

Result = TypeVar("Result")


class NothingPublished(ApiError):
    """The service serves, but has no warehouse yet."""

    http_status = 503
    code = "unavailable"

    def __init__(self) -> None:
        super().__init__("There has been no run yet. `cdp run` makes one")


class PublishedWarehouse:
    """Opened by the first query, and again after each publish.

    Queries run one at a time: DuckDB uses all cores for each, and a database that a publish has replaced can be closed
    without a reader. It must be closed first: DuckDB treats a path that is open in this process as the same database.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: tuple[Warehouse, tuple[int, int]] | None = None
        self._turn = CapacityLimiter(1)

    async def ask(self, work: Callable[[Warehouse], Result]) -> Result:
        """The result of `work` on the last published state.

        Raises:
            NothingPublished: there has been no run yet.
            Unavailable: the warehouse cannot be opened.
        """
        return await to_thread.run_sync(lambda: work(self._current()), limiter=self._turn)

    def close(self) -> None:
        if self._open:
            self._open[0].close()
            self._open = None

    def _current(self) -> Warehouse:
        version = self._version()
        if version is None:
            raise NothingPublished
        if self._open is None or self._open[1] != version:
            self.close()
            self._open = (open_published(self._settings), version)
        return self._open[0]

    def _version(self) -> tuple[int, int] | None:
        """Inode and modification time: a publish replaces the file. None if there is none."""
        path = published_path(self._settings.home)
        found = path.stat() if path.exists() else None
        return (found.st_ino, found.st_mtime_ns) if found else None
