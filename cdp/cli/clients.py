"""Clients of the API: who may ask, and what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.cli import screens, terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json
from cdp.errors import UsageError

if TYPE_CHECKING:
    from cdp.access.clients import Client, NewClient
    from cdp.access.write_keys import WriteKey
    from cdp.store import Connection

app = typer.Typer(name="clients", help="Clients of the API: who may ask, and what.")
Named = Annotated[str, typer.Argument(metavar="CLIENT", help="Its name or its client_id.")]


@app.command("add")
def add_client_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do, such as profiles:read; may be given again.")
    ] = None,
    write_key: Annotated[
        bool, typer.Option("--write-key", help="A key for tracking SDKs, in place of a client with scopes.")
    ] = False,
    source: Annotated[str | None, typer.Option(help="With --write-key: what its events are landed under.")] = None,
    may_grant: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="With --write-key: its events may grant consent and override what others told, and why. "
            "Only for a key that no page or app contains.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a client. Its secret, or its write key, is shown once and stored hashed.

    What comes by a write key is a claim, because everybody who opens the page can read it: it may withdraw consent,
    but grants none.

    Examples: cdp clients add sender --scope profiles:read · cdp clients add site --write-key --source web
    """
    from cdp.access.clients import add_client

    if write_key != (source is not None) or (write_key and scope):
        raise UsageError("give --scope, or --write-key with --source", where="cdp clients add")
    if may_grant is not None and not (write_key and may_grant.strip()):
        raise UsageError("--may-grant takes a reason, and goes with --write-key", where="cdp clients add")
    with opened_store(load_settings()) as store, store.write() as connection:
        _refuse_taken(connection, name)
        added = (
            _added_write_key(connection, name, source, may_grant)
            if source is not None
            else add_client(connection, name, scope or [], datetime.now(UTC))
        )
    _show_secret(added, as_json)


@app.command("list")
def list_clients_command(as_json: AsJson = False) -> None:
    """The clients and what they may do; write keys and their sources.

    Example: cdp clients list
    """
    from cdp.access.clients import list_clients
    from cdp.access.write_keys import list_write_keys

    with opened_store(load_settings()) as store, store.read() as connection:
        found, keys = list_clients(connection), list_write_keys(connection)
    if as_json:
        print_json([*map(_client_document, found), *map(_write_key_document, keys)])
    elif found or keys:
        _show_clients(found, keys)
    else:
        terminal.say("No client yet. Try `cdp clients add NAME --scope profiles:read`.")


@app.command("rotate")
def rotate_client_command(client: Named, as_json: AsJson = False) -> None:
    """Give a client a new secret, or a new write key; the old one ends at once.

    Example: cdp clients rotate sender
    """
    from cdp.access.clients import rotate_client
    from cdp.access.write_keys import find_write_key, rotate_write_key

    with opened_store(load_settings()) as store, store.write() as connection:
        rotate = rotate_write_key if find_write_key(connection, client) is not None else rotate_client
        rotated = rotate(connection, client, datetime.now(UTC))
    _show_secret(rotated, as_json)


@app.command("remove")
def remove_client_command(client: Named) -> None:
    """Remove a client or a write key; its tokens, and its key, end at once.

    Example: cdp clients remove sender
    """
    from cdp.access.clients import remove_client
    from cdp.access.write_keys import find_write_key, remove_write_key

    with opened_store(load_settings()) as store, store.write() as connection:
        remove = remove_write_key if find_write_key(connection, client) is not None else remove_client
        remove(connection, client, datetime.now(UTC))
    terminal.say(f"{client} is removed.")


def _refuse_taken(connection: Connection, name: str) -> None:
    """Clients and write keys are rotated and removed by name, so no two may share one."""
    from cdp.access.clients import list_clients
    from cdp.access.write_keys import list_write_keys

    if not name.strip():
        raise UsageError("a client has a name", hint="Such as `cdp clients add newsletter`")
    if name in {client.name for client in list_clients(connection)} | {key.name for key in list_write_keys(connection)}:
        raise UsageError(f"there is already a client named {name!r}", hint="Choose another name, or rotate it")


def _added_write_key(connection: Connection, name: str, source: str, may_grant: str | None) -> str:
    from cdp.access.write_keys import add_write_key
    from cdp.providers import load_sources
    from cdp.providers.segment.source import SOURCE

    if source in load_sources() and source != SOURCE.name:
        raise UsageError(f"{source} is another provider's name", hint="Choose one of your own, such as --source web")
    return add_write_key(connection, name, source, datetime.now(UTC), may_grant=may_grant)


def _show_clients(found: Sequence[Client], keys: Sequence[WriteKey]) -> None:
    from cdp.access.clients import OutdatedSecret

    rows = [[c.name, c.client_id, " ".join(c.scopes), terminal.minute(c.created_at)] for c in found]
    rows += [[key.name, "write key", _rights(key), terminal.minute(key.created_at)] for key in keys]
    terminal.out.print(terminal.table(["name", "client_id", "scopes", "since"], rows))
    for client in found:
        if client.needs_rotation:
            terminal.say(OutdatedSecret(client.name).line())


def _rights(key: WriteKey) -> str:
    return f"events of {key.source}" + (f"; may grant: {key.may_grant}" if key.may_grant else "")


def _client_document(client: Client) -> dict[str, Any]:
    return {
        **{"client_id": client.client_id, "name": client.name, "scopes": client.scopes},
        **{"created_at": client.created_at.isoformat(), "needs_rotation": client.needs_rotation},
    }


def _write_key_document(key: WriteKey) -> dict[str, Any]:
    return {**vars(key), "created_at": key.created_at.isoformat()}


def _show_secret(added: NewClient | str, as_json: bool) -> None:
    """A client's credentials, or a write key."""
    if isinstance(added, str):
        print_json({"write_key": added}) if as_json else screens.show_write_key(added)
    elif as_json:
        print_json({"client_id": added.client_id, "client_secret": added.client_secret})
    else:
        screens.show_secret(added.client_id, added.client_secret)
