"""Kills at random moments: no message twice, none lost, those in doubt told so and settled by their receipts.

The long form is `make bench NAME=sending_kills`.
"""

from __future__ import annotations

import pytest

from cdp.sending.dispatching import MOST_AT_ONCE
from tests.sending.chaos import survive
from tests.sending.ledgers import MUST_BE_NONE

KILLS = 8


@pytest.mark.slow
def test_kills_send_nothing_twice_and_lose_nothing(store_url: str) -> None:
    result = survive(store_url, KILLS, seed=1)
    assert result.accepted > 0 and result.taken > 0
    assert {name: getattr(result, name) for name in MUST_BE_NONE} == dict.fromkeys(MUST_BE_NONE, 0)
    assert result.died_with <= result.kills * MOST_AT_ONCE
