"""Sending's promises with real servers and workers, in short; the long forms are `make bench NAME=sending_kills`,
`sending_once` and `sending_stops`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.sending.dispatching import MOST_AT_ONCE
from tests.cdp.store_urls import BACKENDS, empty_store_url
from tests.e2e import sending_killing, sending_stops
from tests.e2e.sending_once import REQUESTS, repeat
from tests.sending.ledgers import MUST_BE_NONE

pytestmark = pytest.mark.long


@pytest.mark.parametrize("backend", BACKENDS)
def test_kills_of_servers_and_workers_send_nothing_twice_and_lose_nothing(backend: str, tmp_path: Path) -> None:
    with empty_store_url(backend, tmp_path) as url:
        found = sending_killing.survive(tmp_path / "var", url, kills=1, seed=1, servers=1, workers=1)
    result = found.result
    assert result.taken > 0
    assert {name: getattr(result, name) for name in MUST_BE_NONE} == dict.fromkeys(MUST_BE_NONE, 0)
    assert (found.unkept, found.unasked) == (0, 0)
    assert result.died_with <= result.kills * MOST_AT_ONCE


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_hundred_posts_at_once_over_two_servers_are_one_message_and_one_answer(backend: str, tmp_path: Path) -> None:
    with empty_store_url(backend, tmp_path) as url:
        found = repeat(tmp_path / "var", url, rounds=1)
    assert found.posts > sum(one.posts for one in REQUESTS.values())
    assert (found.messages, found.decisions, found.answers, found.sent) == (0, 0, 0, 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_sent_once_it_is_stopped(backend: str, tmp_path: Path) -> None:
    with empty_store_url(backend, tmp_path) as url:
        rows = sending_stops.stop_all(tmp_path / "var", url, count=20, seed=1)
    assert {row.kind for row in rows if row.stops} == set(sending_stops.KINDS)
    assert {row.kind: (row.violations, row.untold) for row in rows} == dict.fromkeys(sending_stops.KINDS, (0, 0))
