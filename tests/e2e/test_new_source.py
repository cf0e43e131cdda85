"""Adding a source is one file: nothing else in the code knows its name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cdp.sources
from tests.e2e.command import Command

PIGEON_POST = '''
"""Carrier pigeons: a line a flight."""

from cdp.sources import Source

SOURCE = Source(
    name="pigeon",
    title="Carrier pigeon post",
    files=("pigeon*",),
    keys=(frozenset({"pigeon", "loft", "addressee"}),),
    select="""
        with flight as (
            select file_id, line_number, received_at, payload ->> 'addressee' as addressee,
                payload ->> 'name' as name, from_iso(payload ->> 'at') as happened_at, payload ->> 'pigeon' as ring
            from raw
        )
        select file_id, line_number, received_at,
            case when addressee is null then 'no_identifier' when happened_at is null then 'bad_time' end as refused,
            ring || happened_at::varchar as event_key,
            'store' as channel, 'delivered' as event_type, 'landed' as event_name, happened_at as occurred_at,
            name as first_name, addressee as email
        from flight
    """,
)
'''

FLIGHTS = [
    {"pigeon": "GB-1", "loft": "Dover", "addressee": "Ann@Example.com", "name": "Ann", "at": "2026-05-01T08:00:00Z"},
    {"pigeon": "GB-2", "loft": "Dover", "addressee": "ann@example.com", "name": "Ann", "at": "2026-05-02T08:00:00Z"},
    {"pigeon": "GB-3", "loft": "Deal", "addressee": "bob@example.com", "name": "Bob", "at": "2026-05-03T08:00:00Z"},
    {"pigeon": "GB-4", "loft": "Deal", "addressee": "bob@example.com", "name": "Bob", "at": "at dawn"},
]


@pytest.fixture
def pigeons(tmp_path: Path) -> Iterator[None]:
    """One file in the folder of the sources."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "pigeon.py").write_text(PIGEON_POST)
    cdp.sources.__path__.append(str(folder))
    yield
    cdp.sources.__path__.remove(str(folder))
    sys.modules.pop("cdp.sources.pigeon", None)


@pytest.mark.usefixtures("pigeons")
def test_one_file_makes_a_source_known_from_landing_to_profile(command: Command, tmp_path: Path) -> None:
    log = tmp_path / "flights.jsonl"  # a name that says nothing: its keys tell whose it is
    log.write_text("\n".join(map(json.dumps, FLIGHTS)))
    assert "Carrier pigeon post" in command("sources").stdout
    answer = command("run", str(log), "--json")
    assert answer.exit_code == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["events"], report["rejected"], report["profiles"]) == (3, 1, 2)
    query = "select email, first_name, source_count from profiles.profiles order by email"
    people = json.loads(command("sql", query, "--format", "json").stdout)
    assert [(person["email"], person["first_name"]) for person in people] == [
        ("ann@example.com", "Ann"),
        ("bob@example.com", "Bob"),
    ]
    assert "pigeon bad_time" in command("rejects").stdout


def test_without_the_file_nobody_knows_pigeons(command: Command) -> None:
    assert "pigeon" not in command("sources").stdout
