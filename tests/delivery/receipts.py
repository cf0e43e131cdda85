"""The receipts of a fake provider: it tells of every message that it has taken, by webhooks signed as SendGrid signs.

As in life they come at once or late, some twice, and again while nobody takes them.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

import httpx

from tests import webhook_senders as senders
from tests.delivery.fakes import Providers, Taken

# Of a hundred messages: told of at once, perhaps before the answer, and told of late; the others within two seconds.
AT_ONCE, LATE, LATE_SECONDS = 0.1, 0.05, 5.0
DOUBLED = 0.1
SECONDS_BETWEEN_TRIES = 0.5


@dataclass
class Reporter:
    """Posts the receipts of `providers` to one of `urls`."""

    providers: Providers
    urls: Sequence[str]
    chance: random.Random
    # Receipts by the time when they are due; a number keeps those of one time apart.
    _due: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _seen: int = 0
    _number: int = 0

    def run(self, stop: Event) -> None:
        """Tell of all that is taken, until stopped and everything is told."""
        with httpx.Client(timeout=30) as http:
            while not stop.is_set() or self._due or self._seen < len(self.providers.taken):
                self._plan()
                self._tell(http)
                time.sleep(0.05)

    def _plan(self) -> None:
        new = self.providers.taken[self._seen :]
        self._seen += len(new)
        for taken in new:
            for receipt in _receipts(taken):
                for _ in range(2 if self.chance.random() < DOUBLED else 1):
                    self._push(time.monotonic() + self._delay(), receipt)

    def _push(self, at: float, receipt: dict[str, Any]) -> None:
        self._number += 1
        heapq.heappush(self._due, (at, self._number, receipt))

    def _delay(self) -> float:
        drawn = self.chance.random()
        if drawn < AT_ONCE:
            return 0.0
        return self.chance.uniform(0, LATE_SECONDS if drawn < AT_ONCE + LATE else 2.0)

    def _tell(self, http: httpx.Client) -> None:
        """Post what is due as one array, as SendGrid does; what is not taken is posted again."""
        due = []
        while self._due and self._due[0][0] <= time.monotonic():
            due.append(heapq.heappop(self._due)[2])
        if due and not self._is_taken(http, due):
            for receipt in due:
                self._push(time.monotonic() + SECONDS_BETWEEN_TRIES, receipt)

    def _is_taken(self, http: httpx.Client, receipts: Sequence[dict[str, Any]]) -> bool:
        request = senders.sendgrid(receipts, datetime.now(UTC))
        url = f"{self.chance.choice(self.urls)}/webhooks/sendgrid"
        try:
            answer = http.post(url, content=request.body, headers=dict(request.headers))
        except httpx.TransportError:
            return False
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200


@contextmanager
def reporting(providers: Providers, urls: Sequence[str], seed: int) -> Iterator[None]:
    """Tell of messages during the block, and at its end of the rest."""
    stop, reporter = Event(), Reporter(providers, urls, random.Random(seed))
    with ThreadPoolExecutor(1) as pool:
        telling = pool.submit(reporter.run, stop)
        try:
            yield
        finally:
            stop.set()
        telling.result()


def _receipts(taken: Taken) -> Iterator[dict[str, Any]]:
    about = {
        **{"email": taken.address, "timestamp": int(taken.called_at), "message_id": taken.message_id},
        "sg_message_id": f"sg-{taken.message_id}.filter0001.recvd-1",
    }
    for event in ("processed", "delivered"):
        yield {**about, "event": event, "sg_event_id": f"{event}-{taken.message_id}"}
