"""Receipts in any order, doubled, before the answer: the same state."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.sending.states import FINAL, RECEIPTS, STATES, State, after_receipt, after_receipts, forward

ORDERS = (
    # what a provider reports, the state after it
    ((), "accepted"),
    (("queued",), "accepted"),
    (("sent",), "sent"),
    (("sent", "deferred"), "sent"),
    (("sent", "delivered"), "delivered"),
    (("sent", "bounced"), "bounced"),
    (("delivered", "bounced"), "bounced"),
    (("sent", "failed", "delivered"), "delivered"),
    (("opened",), "delivered"),
    (("clicked", "complained"), "delivered"),
    (("rejected",), "failed"),
)


@pytest.mark.parametrize(("receipts", "state"), ORDERS)
def test_the_state_does_not_depend_on_the_order(receipts: tuple[str, ...], state: State) -> None:
    assert {after_receipts("accepted", order) for order in permutations(receipts)} == {state}


@given(st.lists(st.sampled_from(sorted(RECEIPTS))), st.randoms(use_true_random=False))
def test_any_order_any_repeats(receipts: list[str], random: object) -> None:
    shuffled = list(receipts) * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert after_receipts("sending", shuffled) == after_receipts("sending", receipts)


@given(st.sampled_from(STATES), st.lists(st.sampled_from(sorted(RECEIPTS))))
def test_the_answer_may_come_after_the_receipts(state: State, receipts: list[str]) -> None:
    assert forward(after_receipts(state, receipts), "accepted") == after_receipts(forward(state, "accepted"), receipts)


@pytest.mark.parametrize("state", [one for one in FINAL if one not in ("delivered", "failed", "bounced")])
def test_what_was_taken_back_stays_so(state: State) -> None:
    assert {after_receipt(state, event) for event in RECEIPTS} == {state}
