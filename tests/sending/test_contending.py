"""Campaigns with different prices for one thing, sent at once by two processes: nobody gets two prices.

The long form is `make bench NAME=sending_offers`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sending.contending import MUST_BE_NONE, RULES, contend, contend_while_merging


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
def test_nobody_gets_two_prices(store_url: str, tmp_path: Path, rule: str) -> None:
    found = contend(tmp_path, store_url, rule, people=150, seed=1)
    assert found.sent + found.refused >= found.people
    assert (found.refused > 0) == (rule == "block")
    assert {name: getattr(found, name) for name in MUST_BE_NONE} == dict.fromkeys(MUST_BE_NONE, 0)


@pytest.mark.long
def test_nor_do_people_who_become_one_meanwhile(store_url: str, tmp_path: Path) -> None:
    assert contend_while_merging(tmp_path, store_url, "keep_first_terms", people=80, seed=1, seconds=2) == 0
