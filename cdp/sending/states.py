"""The states of a message, and how receipts move it: pure functions, whatever the order that receipts come in.

    queued → sending → accepted → sent → delivered | bounced | failed
    queued → expired | cancelled | suppressed        sending → unknown

A message only moves forward, by rank: the state after a set of receipts does not depend on their order, and a receipt
that comes before the provider's answer counts. `unknown`: nobody knows whether the provider took it, because the
connection broke or the worker died; a receipt settles it. What is stopped between attempt and call is suppressed. What
people do with a message is a set beside its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

State = Literal[
    "refused",
    "queued",
    "sending",
    "unknown",
    "accepted",
    "sent",
    "failed",
    "delivered",
    "bounced",
    "expired",
    "cancelled",
    "suppressed",
]
STATES: tuple[State, ...] = get_args(State)

# A bounce outranks a delivery: some servers accept a mail and return it later.
_RANKS: Mapping[State, int] = {
    "queued": 0,
    "sending": 1,
    "unknown": 2,
    "accepted": 3,
    "sent": 4,
    "failed": 5,
    "delivered": 6,
    "bounced": 7,
}

# What a receipt says of the state. A deferral says nothing: the provider goes on trying.
_OF_RECEIPT: Mapping[str, State] = {
    "queued": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "bounced": "bounced",
    "failed": "failed",
    "rejected": "failed",
    # Who has opened it has got it.
    "opened": "delivered",
    "clicked": "delivered",
    "replied": "delivered",
    "complained": "delivered",
}

RECEIPTS = frozenset((*_OF_RECEIPT, "deferred"))

Reaction = Literal["opened", "clicked", "replied", "complained"]
REACTIONS: tuple[Reaction, ...] = get_args(Reaction)

# The message did not reach the person: it no longer counts against caps, holds no offer, and the next channel is tried.
UNSENT: tuple[State, ...] = ("expired", "cancelled", "suppressed")
FAILED: tuple[State, ...] = ("failed", "bounced")
FINAL: tuple[State, ...] = ("refused", "delivered", *FAILED, *UNSENT)


def forward(state: State, to: State) -> State:
    """The later of two states. A message that was taken back stays so."""
    if state not in _RANKS or to not in _RANKS:
        return state
    return to if _RANKS[to] > _RANKS[state] else state


def after_receipt(state: State, event_type: str) -> State:
    """The state after a receipt."""
    return forward(state, _OF_RECEIPT[event_type]) if event_type in _OF_RECEIPT else state


def after_receipts(state: State, event_types: Iterable[str]) -> State:
    """The state after all receipts, in any order."""
    for event_type in event_types:
        state = after_receipt(state, event_type)
    return state
