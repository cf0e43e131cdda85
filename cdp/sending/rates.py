"""Rates of providers: a token bucket each, in the store, so that it holds for all workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cdp.sending.post import PostOffice
from cdp.sending.tables import provider_rates
from cdp.store import Connection
from cdp.store.prepared import Prepared


@dataclass(frozen=True)
class Bucket:
    """Tokens that were left at a time; a message takes one."""

    tokens: float
    at: datetime


def taken(bucket: Bucket | None, rate: float, now: datetime) -> tuple[Bucket, datetime | None]:
    """The bucket after a message that is sent now or, if there is no token, when there will be one.

    Args:
        rate: messages a second; so many may go at once.
    """
    most = max(rate, 1.0)
    gained = max(0.0, (now - bucket.at).total_seconds()) * rate if bucket else 0.0
    level = min(most, bucket.tokens + gained) if bucket else most
    if level >= 1:
        return Bucket(level - 1, now), None
    return Bucket(level, now), now + timedelta(seconds=(1 - level) / rate)


_BUCKETS = Prepared(
    sa.select(provider_rates.c.provider, provider_rates.c.tokens, provider_rates.c.filled_at).with_for_update()
)


class Rates:
    """The buckets during a write transaction: tokens are taken, then all are written."""

    def __init__(self, connection: Connection, post: PostOffice, now: datetime) -> None:
        self._connection, self._post, self._now = connection, post, now
        self._buckets: dict[str, Bucket] | None = None

    def take(self, provider: str) -> datetime | None:
        """Take a token of a provider; if there is none, when there will be one."""
        rate = self._post.rate_of(provider)
        if rate is None:
            return None
        if self._buckets is None:
            rows = _BUCKETS.rows(self._connection)
            self._buckets = {name: Bucket(tokens, at) for name, tokens, at in rows}
        self._buckets[provider], free_at = taken(self._buckets.get(provider), rate, self._now)
        return free_at

    def keep(self) -> None:
        """Write the buckets."""
        for provider, bucket in (self._buckets or {}).items():
            self._connection.execute(provider_rates.delete().where(provider_rates.c.provider == provider))
            row = {"provider": provider, "tokens": bucket.tokens, "filled_at": bucket.at}
            self._connection.execute(provider_rates.insert().values(row))
