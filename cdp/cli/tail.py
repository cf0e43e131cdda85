"""The last payloads received over HTTP, and what became of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cdp.cli import terminal
from cdp.cli.common import load_settings, opened_store
from cdp.errors import UsageError

if TYPE_CHECKING:
    from cdp.live.debugging import Outcome, Seen
    from cdp.store import Store

app = typer.Typer()

POLL_SECONDS = 0.5
_LATE_ROWS, _MOST_AT_ONCE = 500, 2_000


@app.command()
def tail(
    count: Annotated[int, typer.Option("-n", "--lines", min=1, max=1_000, help="How many payloads to show.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    source: Annotated[str | None, typer.Option(help="Only payloads of this source.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only `accepted`, `rejected` or `duplicate` payloads.")] = None,
    payloads: Annotated[bool, typer.Option("--payloads", help="Show the payloads, without personal data.")] = False,
    values: Annotated[bool, typer.Option("--values", help="Show the payloads with all values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document a line.")] = False,
) -> None:
    """Show the last payloads received over HTTP, and what became of them.

    A rejected payload has a reason and the field that is wrong. Values are shown as their kinds, unless --values.

    Examples: cdp tail · cdp tail -f --source web · cdp tail --outcome rejected --payloads
    """
    from cdp.live.debugging import OUTCOMES, last_payloads

    chosen = next((one for one in OUTCOMES if one == outcome), None)
    if outcome and not chosen:
        raise UsageError(f"unknown outcome {outcome!r}", where="--outcome", hint=f"one of: {', '.join(OUTCOMES)}")

    def show(found: Sequence[Seen]) -> None:
        for seen in found:
            if as_json:
                typer.echo(json.dumps(seen.document(shows_values=values), ensure_ascii=False))
            else:
                _print(seen, shows_payload=payloads or values, shows_values=values)

    with opened_store(load_settings()) as store:
        with store.read() as connection:
            found = last_payloads(connection, count, source=source, outcome=chosen)
        show(found[::-1])
        if not found and not follow and not as_json:
            what = "Nothing of this kind" if source or outcome else "Nothing"
            terminal.say(f"{what} has been received yet. `cdp serve` receives; `cdp clients add` gives a write key.")
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(store, found, show, source, chosen)


def _follow(
    store: Store,
    shown: Sequence[Seen],
    show: Callable[[Sequence[Seen]], None],
    source: str | None,
    outcome: Outcome | None,
) -> None:
    """Show what comes in, and what comes again, until Ctrl-C."""
    from cdp.live.debugging import payloads_after, repeats_after

    known = {one.seq for one in shown}
    newest = max(known, default=0)
    repeated = (max((one.last_duplicate_at for one in shown if one.last_duplicate_at), default=datetime.now(UTC)), 0)
    while True:
        with store.read() as connection:
            # A transaction that began earlier may show its payloads after others with higher numbers.
            came = payloads_after(connection, newest - _LATE_ROWS, _MOST_AT_ONCE, source=source, outcome=outcome)
            again = repeats_after(connection, *repeated, _MOST_AT_ONCE, source=source, outcome=outcome)
        new = {one.seq: one for one in came if one.seq not in known}
        show(list(new.values()))
        show([one for one in again if one.seq not in new])
        newest = max((one.seq for one in came), default=newest)
        known = {one.seq for one in came} | {seq for seq in known if seq > newest - _LATE_ROWS}
        if again:
            repeated = (again[-1].last_duplicate_at or repeated[0], again[-1].seq)
        if len(came) < _MOST_AT_ONCE and len(again) < _MOST_AT_ONCE:
            time.sleep(POLL_SECONDS)


def _print(seen: Seen, *, shows_payload: bool, shows_values: bool) -> None:
    document = seen.document(shows_values=shows_values)
    line = Text(f"{seen.received_at:%H:%M:%S}  {seen.source:<12}  ")
    line.append(f"{seen.outcome:<8}", style="red" if seen.reason else "green")
    line.append(f"  {_what(document)}  {document['message_id']}")
    if seen.reason:
        line.append(f"  {seen.reason}" + (f": {seen.detail}" if seen.detail else ""), style="red")
    if seen.duplicates:
        times = "once more" if seen.duplicates == 1 else f"{seen.duplicates} more times"
        line.append(f"  came {times}", style="yellow")
    terminal.out.print(line, soft_wrap=True)
    if shows_payload:
        terminal.out.print(
            Text(json.dumps(document["payload"], ensure_ascii=False, indent=2)), style="dim", soft_wrap=True
        )


def _what(document: dict[str, object]) -> str:
    """The type and the name of an event, as far as its format has them."""
    payload = document["payload"]
    if not isinstance(payload, dict):
        return "?"
    found = [payload.get(name) for name in ("type", "event", "RecordType", "MessageStatus", "eventType")]
    return " ".join(dict.fromkeys(str(one) for one in found if isinstance(one, str))) or document["format"]  # type: ignore[return-value]
