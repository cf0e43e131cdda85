"""Rate limits: a token bucket per client."""

from __future__ import annotations

import math

from api.errors import ApiError
from api.security.buckets import Bucket, Buckets

WINDOW_SECONDS = 60
# A bucket that is waited for as long as Retry-After says may lack this much, in requests.
_ROUNDING = 1e-9


class TooManyRequests(ApiError):
    """The client has used up its limit for the moment."""

    http_status = 429
    code = "too_many_requests"


class RateLimit:
    """Buckets of `limit` requests that refill within a minute."""

    def __init__(self, limit: int, buckets: Buckets) -> None:
        self.limit = limit
        self._per_second = limit / WINDOW_SECONDS
        self._buckets = buckets

    def take(self, client: str, now: float, cost: int = 1) -> dict[str, str]:
        """Count a request of `client` (or `cost` requests) at `now`, in seconds of a monotonic clock.

        Returns:
            The RateLimit headers for the response.

        Raises:
            TooManyRequests: the bucket is empty; `Retry-After` says when it will not be.
        """
        with self._buckets.of(client, Bucket(self.limit, now)) as bucket:
            # Another worker may have read the clock a moment later and been here first.
            waited = max(0.0, now - bucket.filled_at)
            bucket.level = min(self.limit, bucket.level + waited * self._per_second)
            bucket.filled_at += waited
            is_enough = bucket.level >= cost - _ROUNDING
            if is_enough:
                bucket.level -= cost
        headers = self._headers(bucket)
        if not is_enough:
            wait = math.ceil((min(cost, self.limit) - bucket.level) / self._per_second)
            message = f"Rate limit of {self.limit} requests per minute exceeded"
            raise TooManyRequests(message, headers={"Retry-After": str(wait), **headers})
        return headers

    def _headers(self, bucket: Bucket) -> dict[str, str]:
        """Headers of draft-ietf-httpapi-ratelimit-headers-06; `reset` is the time until the bucket is full."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(int(bucket.level)),
            "RateLimit-Reset": str(math.ceil((self.limit - bucket.level) / self._per_second)),
        }
