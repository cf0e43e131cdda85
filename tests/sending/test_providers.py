"""Several providers on a channel: weights, health, rates."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from pydantic import SecretStr

from cdp.delivery import Retry
from cdp.errors import ConfigurationError
from cdp.sending.health import Record, health_kind, reassess
from cdp.sending.opening import without_receipts
from cdp.sending.post import PostOffice, Route, routes_of
from cdp.sending.rates import Bucket, taken
from cdp.sending.tables import provider_changes
from cdp.settings import Settings
from cdp.store import Store
from cdp.work import Runner
from tests.cdp.deciding import policy
from tests.sending.world import NOW, Recorder, World

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
)


@pytest.mark.parametrize(("one", "other", "after"), LOOKS)
def test_a_look(one: tuple[float, Record], other: tuple[float, Record], after: tuple[float, float]) -> None:
    points = {"one": one[0], "other": other[0]}
    changes = reassess(points, {"one": one[1], "other": other[1]}, ("one", "other"))
    found = points | {change.provider: change.points for change in changes}
    assert (found["one"], found["other"]) == pytest.approx(after)


def test_a_provider_that_is_down_loses_its_traffic_within_a_minute_and_gets_it_back_by_steps(store: Store) -> None:
    providers = {"first": Recorder(("email",)), "second": Recorder(("email",))}
    world = World(store, providers=providers, policy=policy(frequency_caps={}))
    people = world.people(*(f"person{number}" for number in range(40)))
    chance = Random(1)
    kinds = [*world.kinds, health_kind(world.tools.post)]

    def minute_of_traffic() -> Counter[str]:
        before = {name: len(one.calls) for name, one in providers.items()}
        for _ in range(6):
            world.send_all(*(world.wanted(one, channels=("email",)) for one in people))
            Runner(store, kinds, world.clock, structlog.get_logger(), chance.random).drain()
            world.clock.advance(seconds=10)
        return Counter({name: len(one.calls) - before[name] for name, one in providers.items()})

    quiet = minute_of_traffic()
    assert 0.7 < quiet["first"] / quiet["second"] < 1.4
    providers["first"].script = [Retry("http_503")] * 100_000
    minute_of_traffic()
    down = minute_of_traffic()
    assert down["first"] < 0.1 * (down["first"] + down["second"])
    providers["first"].script = []
    minute_of_traffic()
    back = minute_of_traffic()
    assert back["first"] > 0.3 * back["second"]
    with store.read() as connection:
        reasons = list(connection.scalars(sa.select(provider_changes.c.reason).order_by(provider_changes.c.seq)))
    assert reasons[:2] == ["errors", "errors"] and reasons[-1] == "recovering"
    # What one provider would not take, the other took at once.
    assert {message.state for message in world.all_messages()} == {"accepted"}
    world.close()


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


WRONG = (
    # settings, words of the error
    ({"nobody": {"api_key": "x"}}, "no provider nobody can send"),
    ({"recorder": {"api_kei": "x"}}, "unknown setting"),
    ({"recorder": {"weight": "heavy"}}, "a weight is a number from 0"),
    ({"recorder": {"rate": "0"}}, "a rate is more than 0"),
)


@pytest.mark.parametrize(("told", "words"), WRONG)
def test_wrong_settings_are_one_line_that_names_the_variable(told: dict[str, dict[str, str]], words: str) -> None:
    secrets = {name: {key: SecretStr(value) for key, value in one.items()} for name, one in told.items()}
    with pytest.raises(ConfigurationError, match=words) as error:
        routes_of({"recorder": Recorder()}, secrets, Route("sandbox", Recorder(), {}))
    assert "CDP_PROVIDERS__" in error.value.line()
