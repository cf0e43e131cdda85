"""The worker and its queue."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json
from cdp.cli.sending import opened_sending, warn_of_missing_receipts
from cdp.errors import UsageError

if TYPE_CHECKING:
    from cdp.store import Connection
    from cdp.work import Runner, Tally
    from cdp.work.overview import FailedItem, KindStatus

app = typer.Typer(name="work", invoke_without_command=True)
OfKind = Annotated[str | None, typer.Option("--kind", help="Only this kind.")]


@app.callback()
def work(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Process the items that are due now, then exit.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="The number of threads.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Process the queue until stopped. `cdp serve` does so too; start more workers if that is not enough.

    A failing item is retried later and finally kept as failed. Ctrl-C stops after the current batch.

    Examples: cdp work · cdp work --once · cdp work --workers 4 · cdp work status
    """
    if context.invoked_subcommand:
        return
    if as_json and not once:
        raise UsageError("--json requires --once", where="cdp work", hint="`cdp work status --json` shows the queue")
    if once and workers > 1:
        raise UsageError("--once works in one thread", where="--workers", hint="leave one of the two out")
    settings = load_settings()
    warn_of_missing_receipts(settings)
    with opened_sending(settings) as sending, _stop_on_signal() as stop:
        if once:
            _show_tally(sending.runner.drain(stop), as_json)
        else:
            _run(sending.runner, stop, workers)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the number of waiting, due, leased and failed items by kind.

    Example: cdp work status --json
    """
    from cdp.work.overview import status_by_kind

    now = datetime.now(UTC)
    with opened_store(load_settings()) as store, store.read() as connection:
        found = status_by_kind(connection, now)
    if as_json:
        print_json([_status_document(one) for one in found])
    elif found:
        rows = [[one.kind, one.waiting, one.due, one.leased, one.failed, _overdue(one, now)] for one in found]
        terminal.out.print(terminal.table(["kind", "waiting", "due", "leased", "failed", "overdue"], rows))
    else:
        terminal.say("The queue is empty.")


@app.command()
def failed(
    kind: OfKind = None,
    limit: Annotated[int, typer.Option(min=1, help="How many items to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List failed items and their errors, the latest first.

    Example: cdp work failed --kind inbox_housekeeping
    """
    from cdp.work.overview import failed_items

    with opened_store(load_settings()) as store, store.read() as connection:
        _check_kind(connection, kind)
        found = failed_items(connection, kind, limit)
    if as_json:
        print_json([_failed_document(one) for one in found])
    elif found:
        rows = [[one.kind, one.key, one.attempts, terminal.minute(one.failed_at), one.error] for one in found]
        terminal.out.print(terminal.table(["kind", "key", "attempts", "failed_at", "error"], rows))
    else:
        terminal.say("No item has failed.")


@app.command()
def retry(kind: OfKind = None) -> None:
    """Put failed items back into the queue, due immediately.

    Examples: cdp work retry · cdp work retry --kind inbox_housekeeping
    """
    from cdp.work.overview import retry_failed

    with opened_store(load_settings()) as store, store.write() as connection:
        _check_kind(connection, kind)
        count = retry_failed(connection, kind, datetime.now(UTC))
    terminal.say(f"Requeued items: {count:,}")


def _check_kind(connection: Connection, kind: str | None) -> None:
    """Refuse a name that neither this version nor the queue knows: an empty answer would look like good news."""
    from cdp.work.overview import status_by_kind
    from cdp.worker import KIND_NAMES

    if kind is not None:
        names = set(KIND_NAMES) | {one.kind for one in status_by_kind(connection, datetime.now(UTC))}
        if kind not in names:
            known = ", ".join(sorted(names))
            raise UsageError(f"no kind of work is named {kind!r}", where="--kind", hint=f"one of: {known}")


def _run(runner: Runner, stop: Event, workers: int) -> None:
    from cdp.worker import heap

    heap.settle()
    terminal.err.print("Processing the queue; press Ctrl-C to stop", markup=False)
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(runner.run, stop) for _ in range(workers)]
        for one in running:
            # A runner that ends by itself has a defect. All runners stop then, so that the defect is noticed.
            one.add_done_callback(lambda _: stop.set())
        for one in running:
            one.result()


@contextmanager
def _stop_on_signal() -> Iterator[Event]:
    """An event that Ctrl-C, or a service manager's SIGTERM, sets."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_tally(tally: Tally, as_json: bool) -> None:
    if as_json:
        print_json({kind: dict(counts) for kind, counts in tally.items()})
    elif tally:
        rows = [[kind, *(counts[outcome] for outcome in _OUTCOMES)] for kind, counts in sorted(tally.items())]
        terminal.out.print(terminal.table(["kind", *_OUTCOMES], rows))
    else:
        terminal.say("No items were due.")


# The keys of `Batch.tally`.
_OUTCOMES = ("done", "again", "failed", "lost")


def _overdue(one: KindStatus, now: datetime) -> str:
    return f"{(now - one.oldest_due_at).total_seconds():,.0f} s" if one.oldest_due_at else ""


def _status_document(one: KindStatus) -> dict[str, Any]:
    return {**asdict(one), "oldest_due_at": one.oldest_due_at.isoformat() if one.oldest_due_at else None}


def _failed_document(one: FailedItem) -> dict[str, Any]:
    return {**asdict(one), "failed_at": one.failed_at.isoformat()}
