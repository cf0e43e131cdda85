"""Consents: is the ledger what was recorded; what a steward ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json

app = typer.Typer(name="consents", help="Consents: is the ledger what was recorded.")

BROKEN = 1


@app.callback()
def consents() -> None:
    """Consents: is the ledger what was recorded."""


@app.command("lift")
def lift_command(
    contact_point_id: Annotated[str, typer.Argument(metavar="CONTACT_POINT", help="cpt_ and so on.")],
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Of the suppression: email, sms, …, all.")],
    reason: Annotated[str, typer.Argument(metavar="REASON", help="stop, complaint, hard_bounce or erased.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers for it; kept.")],
) -> None:
    """End a suppression that no event ends by itself, such as a complaint that was taken back. It gives no consent.

    Example: cdp consents lift cpt_01KX0000000000000000000000 email complaint --by "Mary Allen"
    """
    from cdp.consent.ledger import lift_by_hand

    with opened_store(load_settings()) as store, store.write() as connection:
        lift_by_hand(connection, contact_point_id, channel, reason, by=by, now=datetime.now(UTC))
    terminal.say(f"{contact_point_id} is not suppressed for {reason} on {channel} any more.")


@app.command("verify")
def verify_command(
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="A hash that an earlier check has shown: it must still be there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the ledger's chain of hashes. Exit code 1: an entry was edited, removed, moved or put in between.

    Who can rewrite the whole store can make a new chain that holds. Keep the hash that is shown somewhere else, and
    give it to a later check.

    Examples: cdp consents verify · cdp consents verify --head 9350a003bba5…
    """
    from cdp.consent.ledger import verify

    with opened_store(load_settings()) as store, store.read() as connection:
        found = verify(connection, head)
    broken = found.broken
    if as_json:
        problem = {"seq": broken.seq, "what": broken.what} if broken else None
        print_json({"entries": found.entry_count, "head": found.head_hash, "broken": problem})
    elif broken:
        terminal.say(f"The ledger is not what was recorded. Entry {broken.seq}: {broken.what}.")
    else:
        terminal.say(f"The ledger holds: {found.entry_count:,} entries, the last one's hash is {found.head_hash}.")
    raise typer.Exit(BROKEN if broken else 0)
