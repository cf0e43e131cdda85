"""Several providers on a channel: weights, health, rates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import local
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from pydantic import SecretStr

from cdp.delivery import Dispatch, InDoubt, Outcome, Retry
from cdp.errors import ConfigurationError
from cdp.providers.postmark.send import SENDER as POSTMARK_SENDER
from cdp.sending.health import Record, health_kind, reassess
from cdp.sending.opening import without_receipts
from cdp.sending.post import PostOffice, Route, routes_of
from cdp.sending.rates import Bucket, taken
from cdp.sending.tables import provider_changes
from cdp.settings import Settings
from cdp.store import Store
from cdp.work import Runner
from tests.cdp.deciding import policy
from tests.cdp.store_urls import on_sqlite
from tests.sending.world import NOW, Clock, Recorder, World

GOOD, BAD, SLOW, IDLE = Record(100, 1, 0), Record(100, 90, 0), Record(100, 0, 90), Record(0, 0, 0)

LOOKS = (
    # the points and records of two providers, their points after a look
    ((1.0, GOOD), (1.0, GOOD), (1.0, 1.0)),
    ((1.0, BAD), (1.0, GOOD), (0.2, 1.0)),
    ((0.2, BAD), (1.0, GOOD), (0.05, 1.0)),
    ((0.05, BAD), (1.0, GOOD), (0.05, 1.0)),
    ((0.05, GOOD), (1.0, GOOD), (0.3, 1.0)),
    ((0.9, IDLE), (1.0, GOOD), (1.0, 1.0)),
    ((1.0, SLOW), (1.0, GOOD), (0.5, 1.0)),
    # When all are slow, nothing moves.
    ((1.0, SLOW), (1.0, SLOW), (1.0, 1.0)),
    ((1.0, Record(4, 4, 4)), (1.0, GOOD), (1.0, 1.0)),
    # One that is unwell is judged by what little it gets.
    ((0.05, Record(1, 1, 0)), (1.0, GOOD), (0.05, 1.0)),
    ((0.3, Record(4, 1, 0)), (1.0, GOOD), (0.55, 1.0)),
)


@pytest.mark.parametrize(("one", "other", "after"), LOOKS)
def test_a_look(one: tuple[float, Record], other: tuple[float, Record], after: tuple[float, float]) -> None:
    points = {"one": one[0], "other": other[0]}
    changes = reassess(points, {"one": one[1], "other": other[1]}, ("one", "other"))
    found = points | {change.provider: change.points for change in changes}
    assert (found["one"], found["other"]) == pytest.approx(after)


@dataclass
class Lagging(Clock):
    """A clock that is later in threads whose last call took long."""

    _calls: local = field(default_factory=local)

    def __call__(self) -> datetime:
        return self.now + timedelta(seconds=getattr(self._calls, "seconds", 0.0))

    def take(self, seconds: float) -> None:
        self._calls.seconds = seconds


@dataclass
class Provider(Recorder):
    """A provider whose calls take so many seconds, and have this outcome instead of success."""

    channels: tuple[str, ...] = ("sms",)
    clock: Lagging = field(default_factory=Lagging)
    seconds: float = 0.0
    outcome: Outcome | None = None

    def send(self, dispatch: Dispatch) -> Outcome:
        self.clock.take(self.seconds)
        self.script = [self.outcome] if self.outcome else []
        return super().send(dispatch)


@dataclass
class Traffic:
    """So many messages every ten seconds, over two providers that share a channel by weight."""

    store: Store
    messages: int
    weights: tuple[float, float] = (1.0, 1.0)
    clock: Lagging = field(default_factory=Lagging)
    chance: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        self.first, self.second = Provider(clock=self.clock), Provider(clock=self.clock)
        providers: dict[str, Recorder] = {"first": self.first, "second": self.second}
        self.world = World(self.store, self.clock, providers, policy=policy(frequency_caps={}))
        routes = [Route(*one, {}, weight) for one, weight in zip(providers.items(), self.weights, strict=True)]
        self.world.tools.post._routes = tuple(routes)
        self.people = self.world.people(*(f"person{number}" for number in range(self.messages)))

    def share_of_the_first(self, minutes: int = 1) -> float:
        """Its share of the calls in the next minutes."""
        before = len(self.first.calls), len(self.second.calls)
        kinds = [*self.world.kinds, health_kind(self.world.tools.post)]
        for _ in range(6 * minutes):
            self.world.send_all(*(self.world.wanted(one, channels=("sms",)) for one in self.people))
            Runner(self.store, kinds, self.clock, structlog.get_logger(), self.chance.random).drain()
            self.clock.advance(seconds=10)
        first, second = len(self.first.calls) - before[0], len(self.second.calls) - before[1]
        return first / (first + second)

    def changes(self) -> list[tuple[str, str]]:
        """(provider, reason) of each change of points, in order."""
        wanted = sa.select(provider_changes.c.provider, provider_changes.c.reason).order_by(provider_changes.c.seq)
        with self.store.read() as connection:
            return [(provider, reason) for provider, reason in connection.execute(wanted)]


@pytest.mark.slow
def test_a_provider_that_is_down_loses_its_traffic_within_a_minute_and_gets_it_back_by_steps(store: Store) -> None:
    traffic = Traffic(store, messages=30)
    assert 0.4 < traffic.share_of_the_first() < 0.6
    traffic.first.outcome = Retry("http_503")
    traffic.share_of_the_first()
    assert traffic.share_of_the_first() < 0.1
    traffic.first.outcome = None
    traffic.share_of_the_first()
    assert traffic.share_of_the_first() > 0.25
    reasons = [reason for _, reason in traffic.changes()]
    assert reasons[:2] == ["errors", "errors"] and reasons[-1] == "recovering"
    # What one provider would not take, the other took at once.
    assert {message.state for message in traffic.world.all_messages()} == {"accepted"}
    traffic.world.close()


DOWN = (
    # messages every ten seconds, weights, what the first answers
    (30, (1.0, 1.0), InDoubt("read_timeout")),
    (6, (1.0, 1.0), Retry("http_503")),
    (3, (1.0, 1.0), InDoubt("read_timeout")),
    (30, (9.0, 1.0), Retry("http_503")),
    (6, (9.0, 1.0), InDoubt("read_timeout")),
)


@on_sqlite
@pytest.mark.slow
@pytest.mark.parametrize(("messages", "weights", "outcome"), DOWN)
def test_nine_tenths_go_elsewhere_after_a_minute_whatever_the_traffic_and_the_weights(
    store: Store, messages: int, weights: tuple[float, float], outcome: Outcome
) -> None:
    traffic = Traffic(store, messages, weights)
    traffic.share_of_the_first()
    traffic.first.outcome = outcome
    traffic.share_of_the_first()
    assert traffic.share_of_the_first(minutes=3) <= 0.1
    traffic.world.close()


@on_sqlite
@pytest.mark.slow
def test_traffic_leaves_one_that_is_slow_and_stays_when_all_are(store: Store) -> None:
    traffic = Traffic(store, messages=30)
    traffic.first.seconds = traffic.second.seconds = 10.0
    assert 0.4 < traffic.share_of_the_first(minutes=2) < 0.6
    assert traffic.changes() == []
    traffic.second.seconds = 0.0
    traffic.share_of_the_first()
    assert traffic.share_of_the_first() < 0.2
    assert set(traffic.changes()) == {("first", "slow")}
    traffic.world.close()


def test_a_rate_holds_for_all_workers(store: Store) -> None:
    world = World(store, policy=policy(frequency_caps={}))
    world.tools.post._routes = (Route("recorder", world.recorder, {}, rate=2.0),)
    people = world.people(*(f"person{number}" for number in range(12)))
    world.send_all(*(world.wanted(one, channels=("email",)) for one in people))
    counts = []
    for _ in range(6):
        world.work()
        counts.append(len(world.recorder.ledger))
        world.clock.advance(seconds=1)
    assert counts == [2, 4, 6, 8, 10, 12]
    world.close()


def test_a_bucket() -> None:
    bucket, free_at = taken(None, 0.5, NOW)
    assert (bucket, free_at) == (Bucket(0.0, NOW), None)
    bucket, free_at = taken(bucket, 0.5, NOW + timedelta(seconds=1))
    assert (bucket.tokens, free_at) == (0.5, NOW + timedelta(seconds=2))
    assert taken(bucket, 0.5, NOW)[1] is not None


def test_weights() -> None:
    recorder = Recorder(("email",))
    post = PostOffice([Route("one", recorder, {}, 3.0), Route("other", recorder, {}), Route("off", recorder, {}, 0.0)])
    drawn = Counter(post.choose("email", "a", {}, number / 100) for number in range(100))
    assert drawn == {"one": 75, "other": 25}
    assert post.choose("email", "a", {}, 0.1, avoid="one") == "other"
    # What one loses goes to the others, whatever its weight.
    drawn = Counter(post.choose("email", "a", {"one": 0.5}, number / 100) for number in range(100))
    assert drawn == {"one": 38, "other": 62}
    drawn = Counter(post.choose("email", "a", {"one": 0.2, "other": 0.2}, number / 100) for number in range(100))
    assert drawn == {"one": 75, "other": 25}
    assert post.choose("sms", "a", {}, 0.1) is None


KEYS = {"sendgrid": {"api_key": "k", "from_address": "a@example.com"}, "smtp": {"host": "h"}, "twilio": {}}
SENDGRID_KEY = "CDP_WEBHOOKS__SENDGRID__PUBLIC_KEY"
UNHEARD: tuple[tuple[dict[str, Any], dict[str, Any], dict[str, str]], ...] = (
    # settings of providers, secrets of webhooks, what is to be set for each provider
    ({}, {}, {}),
    (KEYS, {}, {"sendgrid": SENDGRID_KEY}),
    (KEYS, {"sendgrid": {"public_key": "k"}}, {}),
    (KEYS, {"sendgrid": {"public_key": ""}}, {"sendgrid": SENDGRID_KEY}),
    (KEYS, {"sendgrid": {"public_key_previous": "k"}}, {"sendgrid": SENDGRID_KEY}),
    (
        {"postmark": {"server_token": "t"}},
        {"postmark": {"username": "u"}},
        {"postmark": "CDP_WEBHOOKS__POSTMARK__PASSWORD"},
    ),
    (
        {"whatsapp": {"access_token": "t"}},
        {},
        {"whatsapp": "CDP_WEBHOOKS__WHATSAPP__APP_SECRET and CDP_WEBHOOKS__WHATSAPP__VERIFY_TOKEN"},
    ),
)


@pytest.mark.parametrize(("providers", "webhooks", "unset"), UNHEARD)
def test_who_sends_without_being_heard(
    providers: dict[str, Any], webhooks: dict[str, Any], unset: dict[str, str], tmp_path: Path
) -> None:
    assert without_receipts(Settings(home=tmp_path, providers=providers, webhooks=webhooks)) == unset


POSTMARK = {"server_token": "t", "from_address": "a@shop.example"}
WRONG = (
    # settings, words of the error
    ({"nobody": {"api_key": "x"}}, "no provider nobody can send"),
    ({"recorder": {"api_kei": "x"}}, "unknown setting"),
    ({"recorder": {"weight": "heavy"}}, "a weight is a number from 0"),
    ({"recorder": {"rate": "0"}}, "a rate is more than 0"),
    ({"postmark": {**POSTMARK, "base_url": "nonsense"}}, "it is no URL"),
    ({"postmark": {**POSTMARK, "from_address": "a@shop.example\n"}}, "a line break"),
    ({"postmark": {**POSTMARK, "server_token": "pass\u00e9"}}, "a letter that no such credential has"),
)


@pytest.mark.parametrize(("told", "words"), WRONG)
def test_wrong_settings_are_one_line_that_names_the_variable(told: dict[str, dict[str, str]], words: str) -> None:
    secrets = {name: {key: SecretStr(value) for key, value in one.items()} for name, one in told.items()}
    with pytest.raises(ConfigurationError, match=words) as error:
        routes_of({"recorder": Recorder(), "postmark": POSTMARK_SENDER}, secrets, Route("sandbox", Recorder(), {}))
    assert "CDP_PROVIDERS__" in error.value.line()
