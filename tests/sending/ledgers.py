"""Two ledgers compared: the messages that we have accepted, and those that a provider has taken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from cdp.sending.tables import message_attempts, messages
from cdp.store import Store
from tests.delivery.fakes import Providers, Taken


@dataclass(frozen=True)
class Result:
    """The final counts, after all receipts.

    twice: taken more than once. lost: neither taken nor in doubt. untold: taken, but called surely not taken.
    unsettled: taken, but not told as delivered in spite of the receipt. died_with: in the hands of a worker that died.
    in_doubt: those whose answer was lost, besides. unknown: of both, those that were never taken, and so stay in doubt.
    """

    kills: int
    accepted: int
    taken: int
    twice: int
    lost: int
    untold: int
    unsettled: int
    died_with: int
    in_doubt: int
    unknown: int


SECONDS_TO_FINISH = 120.0
# What must not happen at all.
MUST_BE_NONE = ("twice", "lost", "untold", "unsettled")


def compare(store: Store, taken: Iterable[Taken], kills: int) -> Result:
    """Compare the two ledgers once all work is done and all receipts have come."""
    times = Counter(one.message_id for one in taken)
    with store.read() as connection:
        accepted = sa.select(messages.c.message_id, messages.c.state).where(messages.c.state != "refused")
        states: dict[str, str] = dict(connection.execute(accepted).all())
        columns = (message_attempts.c[name] for name in ("message_id", "outcome", "error"))
        attempts = connection.execute(sa.select(*columns)).all()
    perhaps = {one.message_id for one in attempts if one.outcome not in ("retry", "refused")}
    # A receipt may have come before anybody took over: then the attempt stays without an outcome.
    died_with = sum(one.outcome is None or one.error == "worker_died" for one in attempts)
    in_doubt = sum(one.outcome == "in_doubt" and one.error != "worker_died" for one in attempts)
    return Result(
        kills=kills,
        accepted=len(states),
        taken=len(times),
        twice=sum(number > 1 for number in times.values()),
        lost=sum(one not in times and state != "unknown" for one, state in states.items()),
        untold=sum(one not in perhaps for one in times),
        unsettled=sum(states.get(one) != "delivered" for one in times),
        died_with=died_with,
        in_doubt=in_doubt,
        unknown=sum(state == "unknown" for state in states.values()),
    )


def is_any_open(store: Store) -> bool:
    """Whether any message is still to be sent."""
    is_open = sa.select(messages.c.message_id).where(messages.c.state.in_(("queued", "sending"))).limit(1)
    with store.read() as connection:
        return connection.scalar(is_open) is not None


def wait_until(is_so: Callable[[], bool], otherwise: str, seconds: float = SECONDS_TO_FINISH) -> None:
    """Wait, but not for longer; `otherwise` says what is wrong then."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def wait_for_progress(providers: Providers) -> None:
    """Wait until something is taken: on a busy machine, processes would die before they have done anything."""
    before = len(providers.taken)
    wait_until(lambda: len(providers.taken) > before, "nothing is sent any more")
