"""Kills at random moments: no message twice, none lost, those in doubt told so and settled by their receipts.

The long form is `make bench NAME=sending_kills`.
"""

from __future__ import annotations

import pytest

from cdp.sending.dispatching import MOST_AT_ONCE
from tests.sending.chaos import survive

KILLS = 12


@pytest.mark.slow
def test_kills_send_nothing_twice_and_lose_nothing(store_url: str) -> None:
    result = survive(store_url, KILLS, seed=1)
    assert result.accepted > 0 and result.taken > 0
    assert (result.twice, result.lost, result.untold, result.unsettled) == (0, 0, 0, 0)
    # Besides what the provider itself leaves in doubt, two of a hundred.
    assert result.in_doubt <= KILLS * MOST_AT_ONCE + result.accepted * 0.1
