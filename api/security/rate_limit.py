"""Rate limits: a token bucket per client, in each worker."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from api.errors import ApiError

WINDOW_SECONDS = 60
_CLIENTS_REMEMBERED = 10_000
# A bucket that is waited for as long as Retry-After says may lack this much, in requests.
_ROUNDING = 1e-9


class TooManyRequests(ApiError):
    """The client has used up its limit for the moment."""

    http_status = 429
    code = "too_many_requests"


@dataclass
class Bucket:
    """The remaining requests of a client, as of a time in seconds."""

    level: float
    filled_at: float


class RateLimit:
    """Buckets of `limit` requests that refill within a minute."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._per_second = limit / WINDOW_SECONDS
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str, now: float, cost: int = 1) -> dict[str, str]:
        """Count a request of `client` (or `cost` requests) at `now`, in seconds of a monotonic clock.

        Returns:
            The RateLimit headers for the response.

        Raises:
            TooManyRequests: the bucket is empty; `Retry-After` says when it will not be.
        """
        bucket = self._bucket(client, now)
        bucket.level = min(self.limit, bucket.level + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        if bucket.level < cost - _ROUNDING:
            wait = math.ceil((min(cost, self.limit) - bucket.level) / self._per_second)
            headers = {"Retry-After": str(wait), **self._headers(bucket)}
            raise TooManyRequests(f"Rate limit of {self.limit} requests per minute exceeded", headers=headers)
        bucket.level -= cost
        return self._headers(bucket)

    def _bucket(self, client: str, now: float) -> Bucket:
        """The client's bucket. The least recently seen client is evicted first; its bucket is full again by then."""
        if client not in self._buckets:
            self._buckets[client] = Bucket(self.limit, now)
            if len(self._buckets) > _CLIENTS_REMEMBERED:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(client)
        return self._buckets[client]

    def _headers(self, bucket: Bucket) -> dict[str, str]:
        """Headers of draft-ietf-httpapi-ratelimit-headers-06; `reset` is the time until the bucket is full."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(int(bucket.level)),
            "RateLimit-Reset": str(math.ceil((self.limit - bucket.level) / self._per_second)),
        }
