"""Work for many requests in one go: what comes in while a batch is at work makes the next one.

Nobody waits for company longer than it takes to read what has arrived, or a part of what a batch takes for those who
have just been answered: over connections that stay open they ask again at once, and would come a moment too late. Under
load a batch grows by itself, so that a commit and a handful of queries serve many requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import Generic, TypeVar

from cdp.errors import Unavailable

# A request that has arrived takes one turn of the event loop to be read and one to get here.
_QUIET_TURNS = 2
# How long a batch waits for those who were just answered, as a part of what the last one took, and how often it looks.
_PATIENCE = 0.25
_GLANCES = 5

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Caller(Generic[Item, Result]):
    """Items, and where their results are awaited."""

    items: Sequence[Item]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Sequence[Result]]


@dataclass
class _Batch(Generic[Item, Result]):
    """Callers that are worked for together. What is raised in its `with` block is kept, to be told to them."""

    callers: Sequence[_Caller[Item, Result]]
    results: Sequence[Result] = field(default=())
    error: BaseException | None = None

    @property
    def items(self) -> list[Item]:
        return [item for caller in self.callers for item in caller.items]

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True

    @property
    def is_for_each_alone(self) -> bool:
        """Whether it failed by a defect that one of several callers may have brought in."""
        return self.error is not None and not isinstance(self.error, Unavailable) and len(self.callers) > 1

    def tell(self) -> None:
        """Give each caller its results, or what was raised."""
        # To wake a loop costs a system call: each is woken once.
        for loop in {caller.loop for caller in self.callers}:
            with suppress(RuntimeError):  # it was closed: nobody waits there any more
                loop.call_soon_threadsafe(self._tell, loop)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        begun = 0
        for caller in self.callers:
            ended = begun + len(caller.items)
            if caller.loop is loop and not caller.future.done():  # who has gone away is done
                if self.error is None:
                    caller.future.set_result(self.results[begun:ended])
                else:
                    caller.future.set_exception(self.error)
            begun = ended


class Coalescer(Generic[Item, Result]):
    """Hands items to `work` in batches of `most` or little more, one batch at a time, in the order of arrival.

    `work` returns a result for each item. If it raises, it has done nothing, and is done again for each
    caller alone, so that one caller's defect is not the others'. It runs in a thread or,
    where it takes less time than handing it to one, in the event loop.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        most: int,
        *,
        in_thread: bool = True,
    ) -> None:
        self._work = work
        self._most = most
        self._lock = Lock()
        self._waiting: list[_Caller[Item, Result]] = []
        self._is_working = False
        # The callers that the last batch answered and those that waited then; how long it took; until when to wait.
        self._expected, self._seconds, self._patient_until = 0, 0.0, 0.0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="coalescer") if in_thread else None

    async def do(self, items: Sequence[Item]) -> Sequence[Result]:
        """The results for `items`, of a batch that begins after this call."""
        loop = asyncio.get_running_loop()
        caller = _Caller[Item, Result](items, loop, loop.create_future())
        with self._lock:
            self._waiting.append(caller)
            is_idle, self._is_working = not self._is_working, True
        if is_idle:
            loop.call_soon(self._work_in_turns, loop)
        return await caller.future

    def close(self) -> None:
        """Finish what is waiting."""
        if self._worker:
            self._worker.shutdown()

    def _work_in_turns(self, loop: asyncio.AbstractEventLoop, known: int = 0, quiet: int = 0) -> None:
        """A batch, as soon as nobody new comes and nobody is expected, so that a commit serves many; then others have
        their turn.
        """
        waiting = len(self._waiting)
        quiet = quiet + 1 if waiting == known else 0
        if quiet < _QUIET_TURNS and waiting < self._most:
            loop.call_soon(self._work_in_turns, loop, waiting, quiet)
        elif waiting < min(self._most, self._expected) and time.monotonic() < self._patient_until:
            loop.call_later(self._seconds * _PATIENCE / _GLANCES, self._work_in_turns, loop, waiting)
        elif self._worker:
            self._worker.submit(self._work_off, self._take())
        else:
            self._work_off(self._take())

    def _work_off(self, callers: Sequence[_Caller[Item, Result]]) -> None:
        begun = time.monotonic()
        self._serve(callers)
        ended = time.monotonic()
        self._expected, self._seconds = len(callers) + len(self._waiting), ended - begun
        self._patient_until = ended + self._seconds * _PATIENCE
        self._go_on()

    def _go_on(self) -> None:
        """The next batch is made in the loop of who has waited longest: this one may end with its own answer."""
        with self._lock:
            self._waiting = [caller for caller in self._waiting if not caller.loop.is_closed()]
            loop = self._waiting[0].loop if self._waiting else None
            self._is_working = loop is not None
        if loop:
            try:
                loop.call_soon_threadsafe(self._work_in_turns, loop)
            except RuntimeError:  # closed since
                self._go_on()

    def _serve(self, callers: Sequence[_Caller[Item, Result]]) -> None:
        batch = _Batch(callers)
        with batch:
            batch.results = self._work(batch.items)
        if batch.is_for_each_alone:
            for caller in callers:
                self._serve([caller])
        else:
            batch.tell()

    def _take(self) -> list[_Caller[Item, Result]]:
        with self._lock:
            taken, size = 0, 0
            while taken < len(self._waiting) and size < self._most:
                size += len(self._waiting[taken].items)
                taken += 1
            batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
            return batch
