"""The work queue and its runner.

Work is enqueued in the transaction that causes it (`enqueue`); a `Kind` defines how work of its name is handled; a
`Runner` claims due items and has them handled. A new kind of work is declared in its domain, listed in `cdp/worker`.
"""

from cdp.work.handling import Batch, Clock, Kind, Settling
from cdp.work.queue import enqueue
from cdp.work.runner import Runner, Tally, running
from cdp.work.states import Backoff, Item, Task, doubling

__all__ = [
    "Backoff",
    "Batch",
    "Clock",
    "Item",
    "Kind",
    "Runner",
    "Settling",
    "Tally",
    "Task",
    "doubling",
    "enqueue",
    "running",
]
