"""Several processes on one queue, some of which are killed during their work.

The long form, of a hundred kills, is `make bench NAME=chaos`.
"""

from __future__ import annotations

import pytest

from cdp.store import Store
from cdp.work import Task, enqueue
from tests.cdp.work.chaos import KIND, claim_until_none, context, survive, utc_now

PROCESSES = 4
KILLS = 8


@pytest.mark.slow
def test_concurrent_processes_claim_nothing_twice(store: Store, store_url: str) -> None:
    keys = [f"{number:04}" for number in range(1_000)]
    with store.write() as connection:
        enqueue(connection, KIND, [Task(key) for key in keys], utc_now())
    with context.Pool(PROCESSES) as pool:
        claimed = pool.map(claim_until_none, [store_url] * PROCESSES, chunksize=1)
    assert sorted(key for one in claimed for key in one) == keys


@pytest.mark.slow
def test_kills_lose_nothing_and_duplicate_nothing(store_url: str) -> None:
    result = survive(store_url, KILLS, seed=1)
    assert result.causes > 0
    assert (result.lost, result.doubled, result.unasked) == (0, 0, 0)
