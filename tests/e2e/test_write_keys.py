"""Write keys on the command line, beside clients with scopes."""

from __future__ import annotations

import json

import pytest

from tests.e2e.command import Command


def test_a_write_key_from_add_to_remove(command: Command) -> None:
    added = command("clients", "add", "site", "--write-key", "--source", "web", "--json")
    assert added.exit_code == 0, added.stderr
    [(name, key)] = json.loads(added.stdout).items()
    assert (name, len(key)) == ("write_key", 46)
    assert command("clients", "add", "sender", "--scope", "profiles:read").exit_code == 0

    client, listed = json.loads(command("clients", "list", "--json").stdout)
    assert (client["name"], client["scopes"]) == ("sender", ["profiles:read"])
    assert (listed["name"], listed["source"]) == ("site", "web")
    shown = command("clients", "list").stdout
    assert "events of web" in shown
    assert key not in shown

    rotated = command("clients", "rotate", "site")
    assert "write_key  wk_" in rotated.stdout
    assert key not in rotated.stdout
    assert command("clients", "remove", "site").exit_code == 0
    assert command("clients", "rotate", "site").error.startswith("there is no client 'site'")
    assert [client["name"] for client in json.loads(command("clients", "list", "--json").stdout)] == ["sender"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("--write-key", "give --scope, or --write-key with --source"),
        ("--source web", "give --scope, or --write-key with --source"),
        ("--write-key --source web --scope profiles:read", "give --scope, or --write-key with --source"),
        ("--write-key --source Web", "a source's name is one lower-case word"),
        ("--write-key --source sendgrid", "sendgrid is another provider's name"),
        ("", "a client needs a scope"),
    ],
)
def test_wrong_use(command: Command, arguments: str, error: str) -> None:
    answer = command("clients", "add", "site", *arguments.split())
    assert answer.exit_code == 2
    assert error in answer.error


@pytest.mark.parametrize("first", ["--write-key --source web", "--scope profiles:read"])
@pytest.mark.parametrize("second", ["--write-key --source web", "--scope profiles:read"])
def test_write_key_names_are_unique(command: Command, first: str, second: str) -> None:
    assert command("clients", "add", "site", *first.split()).exit_code == 0
    again = command("clients", "add", "site", *second.split())
    assert (again.exit_code, "already a client named 'site'" in again.error) == (2, True)
