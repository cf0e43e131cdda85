"""The queue of things to do, and the worker that does them.

Whoever causes work enqueues it in the same transaction (`enqueue`); a `Kind` says how work of its name is done; a
`Runner` claims what is due and has it done. New work is a `Kind` in its own domain, entered in `cdp/worker`.
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
