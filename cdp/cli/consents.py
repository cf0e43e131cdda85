"""Consents: verify the ledger, lift suppressions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json

app = typer.Typer(name="consents", help="Consents: verify the ledger, lift suppressions.")

BROKEN = 1


@app.callback()
def consents() -> None:
    """Consents: verify the ledger, lift suppressions."""


@app.command("lift")
def lift_command(
    contact_point_id: Annotated[str, typer.Argument(metavar="CONTACT_POINT", help="A contact point id, cpt_…")],
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="The suppressed channel: email, sms, …, all.")],
    reason: Annotated[str, typer.Argument(metavar="REASON", help="stop, complaint, hard_bounce or erased.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="The person responsible; recorded.")],
) -> None:
    """Lift a suppression that no event lifts, such as a withdrawn complaint. This grants no consent.

    Example: cdp consents lift cpt_01KX0000000000000000000000 email complaint --by "Mary Allen"
    """
    from cdp.consent.ledger import lift_by_hand

    with opened_store(load_settings()) as store, store.write() as connection:
        lift_by_hand(connection, contact_point_id, channel, reason, by=by, now=datetime.now(UTC))
    terminal.say(f"{contact_point_id} is no longer suppressed for {reason} on {channel}.")


@app.command("verify")
def verify_command(
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="A hash shown by an earlier check; it must still be in the chain."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the ledger's hash chain. Exit code 1: an entry was edited, removed, moved or inserted.

    An attacker who can rewrite the whole store can also build a new valid chain. Keep the hash that is shown outside
    of the store, and pass it to a later check.

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
        terminal.say(f"The ledger was tampered with. Entry {broken.seq}: {broken.what}.")
    else:
        terminal.say(f"The ledger is intact: {found.entry_count:,} entries, head hash {found.head_hash}.")
    raise typer.Exit(BROKEN if broken else 0)
