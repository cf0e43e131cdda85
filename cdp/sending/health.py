"""The health of providers, where several share a channel: traffic leaves one that fails, and comes back by steps.

Each provider has points from 0 to 1, which its share is multiplied by; what it loses goes to the others. Errors and
slowness take points off; silence of errors gives them back. When all providers of a channel are slow, nothing moves: it
is not theirs. Every change is a row with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cdp.sending.post import PostOffice
from cdp.sending.tables import message_attempts, provider_changes, provider_health
from cdp.store import Connection
from cdp.store.prepared import Prepared
from cdp.work import Batch, Kind

HEALTH = "provider_health"
EVERY = timedelta(seconds=10)
# What is judged: the attempts that ended within this time, if there are so many; of a provider that has lost points
# already, what little it gets.
_WINDOW = timedelta(minutes=1)
_FEWEST, _FEWEST_OF_UNWELL = 5, 1
_SLOW = timedelta(seconds=5)
_BAD_SHARE = 0.3
_LOWEST, _STEP_BACK = 0.05, 0.25
# A provider that is down loses nine tenths of its traffic in two looks.
_FACTORS = {"errors": 0.2, "slow": 0.5}


@dataclass(frozen=True)
class Record:
    """What a provider did lately: attempts that ended, those that it failed, and those that took long."""

    ended: int
    failed: int
    slow: int

    def is_failing(self, fewest: int) -> bool:
        return self.ended >= fewest and self.failed / self.ended >= _BAD_SHARE

    def is_slow(self, fewest: int) -> bool:
        return self.ended >= fewest and self.slow / self.ended >= _BAD_SHARE


NOTHING = Record(0, 0, 0)


@dataclass(frozen=True)
class Change:
    """New points of a provider. reason: `errors`, `slow` or `recovering`."""

    provider: str
    points: float
    reason: str


def reassess(points: Mapping[str, float], records: Mapping[str, Record], providers: Iterable[str]) -> list[Change]:
    """How the points of the providers of one channel change."""
    names = list(providers)
    are_all_slow = len(names) > 1 and all(records.get(one, NOTHING).is_slow(_FEWEST) for one in names)
    found = (_change(one, points.get(one, 1.0), records.get(one, NOTHING), are_all_slow) for one in names)
    return [one for one in found if one]


def _change(provider: str, points: float, record: Record, are_all_slow: bool) -> Change | None:
    fewest = _FEWEST if points == 1 else _FEWEST_OF_UNWELL
    is_slow = record.is_slow(fewest) and not are_all_slow
    reason = "errors" if record.is_failing(fewest) else "slow" if is_slow else None
    if reason:
        lower = max(_LOWEST, round(points * _FACTORS[reason], 4))
        return Change(provider, lower, reason) if lower < points else None
    if points < 1:
        return Change(provider, min(1.0, round(points + _STEP_BACK, 4)), "recovering")
    return None


_POINTS = Prepared(sa.select(provider_health.c.provider, provider_health.c.points))


def points_of(connection: Connection) -> Mapping[str, float]:
    """The points of the providers that have lost any."""
    return dict(_POINTS.rows(connection))


def health_kind(post: PostOffice) -> Kind:
    """The work of looking at the providers, again and again, where there is a choice."""

    def look(batch: Batch) -> None:
        with batch.settling() as settling:
            now = batch.clock()
            for item in settling.items:
                if post.shared_channels:
                    _look(settling.connection, post, now)
                settling.again(item, now + EVERY)

    return Kind(HEALTH, look, batch_size=1, every=EVERY)


def _look(connection: Connection, post: PostOffice, now: datetime) -> None:
    points, records = points_of(connection), _records(connection, now)
    changes = {
        one.provider: one
        for channel in post.shared_channels
        for one in reassess(points, records, (route.provider for route in post.routes_for(channel)))
    }
    for one in changes.values():
        is_it = provider_health.c.provider == one.provider
        connection.execute(provider_health.delete().where(is_it))
        if one.points < 1:
            connection.execute(
                provider_health.insert().values(provider=one.provider, points=one.points, changed_at=now)
            )
        row = {"provider": one.provider, "points": one.points, "reason": one.reason, "changed_at": now}
        connection.execute(provider_changes.insert().values(row))


def _records(connection: Connection, now: datetime) -> Mapping[str, Record]:
    since = message_attempts.c.ended_at > now - _WINDOW
    columns = (message_attempts.c[name] for name in ("provider", "outcome", "started_at", "ended_at"))
    counted: dict[str, list[int]] = {}
    for provider, outcome, started_at, ended_at in connection.execute(sa.select(*columns).where(since)):
        found = counted.setdefault(provider, [0, 0, 0])
        found[0] += 1
        found[1] += outcome in ("retry", "in_doubt")
        found[2] += ended_at - started_at > _SLOW
    return {provider: Record(*numbers) for provider, numbers in counted.items()}
