"""Behaviour: messages received and answered, visits, orders, and the causal effect of campaigns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.simulate.accounts import CHANNELS
from pipelines.simulate.clock import DAY, HOUR, MINUTE, SECOND, Clock, active_times, reaction_times
from pipelines.simulate.draw import Flags, Ints, Rng, chance

_SEND_HOURS_UTC = (9, 17, 12, 7, 19, 15)
_NEWSLETTER_SHARE = {"email": 0.32, "sms": 0.2, "push": 0.36, "whatsapp": 0.22}


@dataclass(frozen=True)
class Campaign:
    """A randomised campaign: treatment adds `effect` orders per person within `window` ms of `at`."""

    campaign_id: str
    at: int
    window: int
    effect: float
    code: str


_CAMPAIGNS = (
    ("loyalty-thanks", 0.10, 0.05, "THANKS10"),
    ("autumn-sale", 0.28, 0.09, "AUTUMN15"),
    ("new-arrivals", 0.45, 0.03, "FIRST5"),
    ("win-back", 0.62, 0.06, "COMEBACK"),
    ("black-week", 0.78, 0.12, "BLACK20"),
)


def plan_campaigns(clock: Clock) -> list[Campaign]:
    """The campaigns of the period. Their windows do not overlap, and they end within the period."""
    window = min(7 * DAY, int((clock.end - clock.start) * 0.14))
    return [
        Campaign(name, _send_time(clock, fraction, position), window, effect, code)
        for position, (name, fraction, effect, code) in enumerate(_CAMPAIGNS)
    ]


def _send_time(clock: Clock, fraction: float, position: int) -> int:
    day = int(clock.at_fraction(fraction)) // DAY * DAY
    return day + _SEND_HOURS_UTC[position % len(_SEND_HOURS_UTC)] * HOUR


def assign(rng: Rng, people: pl.DataFrame, campaigns: list[Campaign]) -> pl.DataFrame:
    """Randomised assignment: a row per campaign and eligible person, with the arm and the person's true effect.

    Half of those who can buy and can be reached are eligible, and half of the eligible are treated. A person's effect
    is that of the campaign, scaled by 0.5 plus the person's discount inclination (which has the mean 0.5).
    """
    buys = (people["has_shop"] | people["has_card"]).to_numpy()
    reach = people.select(f"can_{channel}" for channel in CHANNELS).to_numpy()
    return pl.concat([_assign_one(rng, people, campaign, buys, reach) for campaign in campaigns])


def _assign_one(rng: Rng, people: pl.DataFrame, campaign: Campaign, buys: Flags, reach: Flags) -> pl.DataFrame:
    person = np.flatnonzero(buys & reach.any(axis=1) & chance(rng, 0.5, people.height))
    taste = rng.random((len(person), len(CHANNELS))) * reach[person]
    inclination = people["discount_inclination"].to_numpy()[person]
    return pl.DataFrame(
        {
            "campaign": pl.Series([campaign.campaign_id]).new_from_index(0, len(person)),
            "person": person,
            "treated": chance(rng, 0.5, len(person)),
            "channel": pl.Series(CHANNELS).gather(taste.argmax(axis=1)),
            "effect": campaign.effect * (0.5 + inclination),
            "at": np.full(len(person), campaign.at),
            "window": np.full(len(person), campaign.window),
            "code": pl.Series([campaign.code]).new_from_index(0, len(person)),
        }
    )


def send_messages(rng: Rng, clock: Clock, people: pl.DataFrame, assignment: pl.DataFrame) -> pl.DataFrame:
    """All messages with the person's response to each, ordered by the time of sending.

    Columns: person, channel, campaign, promo, at (sent), p, answered, reacted_at (when opened or answered), opts_out,
    blocked (sent after an opt-out and refused by the provider).
    """
    newsletters = [_newsletters(rng, clock, people, channel) for channel in CHANNELS]
    promos = assignment.filter("treated").select("person", "channel", "campaign", "at", promo=pl.lit(True))
    messages = pl.concat([*newsletters, promos])
    spread = pl.Series(rng.integers(0, 25 * 60, messages.height) * SECOND)
    messages = messages.with_columns(at=pl.col("at") + spread).sort("at", maintain_order=True)
    messages = _with_answers(rng, clock, people, messages)
    return _after_opt_outs(rng, messages).filter(pl.col("at") < clock.end - DAY // 2)


def _newsletters(rng: Rng, clock: Clock, people: pl.DataFrame, channel: str) -> pl.DataFrame:
    """Weekly messages on one channel; each person gets a different share of them."""
    reached = people[f"can_{channel}"].to_numpy()
    weeks = max(1, clock.days // 7)
    share = np.clip(_NEWSLETTER_SHARE[channel] * rng.lognormal(0, 0.35, people.height), 0.05, 0.9) * reached
    person, week = np.nonzero(rng.random((people.height, weeks)) < share[:, None])
    shift = CHANNELS.index(channel)
    sends = [_send_time(clock, (one + 0.2 + 0.15 * shift) / weeks, one + shift) for one in range(weeks)]
    names = [f"newsletter-{channel}-{one + 1:02d}" for one in range(weeks)]
    return pl.DataFrame(
        {
            "person": person,
            "channel": pl.Series([channel]).new_from_index(0, len(person)),
            "campaign": pl.Series(names).gather(week),
            "at": np.asarray(sends, dtype=np.int64)[week],
            "promo": np.zeros(len(person), dtype=bool),
        }
    )


def _with_answers(rng: Rng, clock: Clock, people: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    count = messages.height
    person = messages["person"].to_numpy()
    by_channel = people.select(f"p_{channel}" for channel in CHANNELS).to_numpy()
    column = messages["channel"].replace_strict({name: place for place, name in enumerate(CHANNELS)}).to_numpy()
    p = by_channel[person, column]
    gets_it = (column != CHANNELS.index("email")) | people["list_email_works"].to_numpy()[person]
    zone, hour = (people[name].to_numpy()[person] for name in ("zone", "best_hour"))
    return messages.with_columns(
        p=pl.Series(p),
        answered=pl.Series(chance(rng, p, count) & gets_it),
        opts_out=pl.Series(chance(rng, 0.016 * (1 - p), count) & gets_it),
        reacted_at=pl.Series(reaction_times(rng, clock, messages["at"].to_numpy(), zone, hour)),
    )


def _after_opt_outs(rng: Rng, messages: pl.DataFrame) -> pl.DataFrame:
    """Keep one opt-out per person and channel; one in eight of the later messages is attempted and blocked."""
    key = ["person", "channel"]
    first_out = pl.col("at").filter("opts_out").min().over(key)
    messages = messages.with_columns(out_from=first_out, tried=pl.Series(chance(rng, 0.125, messages.height)))
    later = (pl.col("at") > pl.col("out_from")).fill_null(False)
    return (
        messages.filter(~later | pl.col("tried"))
        .with_columns(blocked=later, opts_out=pl.col("opts_out") & ~later)
        .with_columns(answered=pl.col("answered") & ~pl.col("blocked") & ~pl.col("opts_out"))
        .drop("tried", "out_from")
    )


def opt_out_times(messages: pl.DataFrame, count: int) -> pl.DataFrame:
    """The time at which each person opted out of each channel (null: never), in columns `out_<channel>`."""
    outs = messages.filter("opts_out").select("person", "channel", "reacted_at")
    everyone = pl.DataFrame({"person": np.arange(count)})
    return everyone.select(
        everyone.join(outs.filter(pl.col("channel") == channel), on="person", how="left", maintain_order="left")[
            "reacted_at"
        ].alias(f"out_{channel}")
        for channel in CHANNELS
    )


def place_orders(rng: Rng, clock: Clock, people: pl.DataFrame, assignment: pl.DataFrame) -> pl.DataFrame:
    """Habitual orders and orders caused by a campaign (`caused_by`), with their contents."""
    buys = (people["has_shop"] | people["has_card"]).to_numpy()
    counts = rng.poisson(people["orders_a_day"].to_numpy() * clock.days * buys)
    person = np.repeat(np.arange(people.height), counts)
    habit = pl.DataFrame({"person": person, "at": _active_times(rng, clock, people, person)}).with_columns(
        caused_by=pl.lit(None, dtype=pl.String), campaign_code=pl.lit(None, dtype=pl.String)
    )
    orders = pl.concat([habit, _caused_orders(rng, clock, people, assignment)]).sort(
        "at", "person", maintain_order=True
    )
    return _with_baskets(rng, people, orders)


def _caused_orders(rng: Rng, clock: Clock, people: pl.DataFrame, assignment: pl.DataFrame) -> pl.DataFrame:
    effect = assignment["effect"].to_numpy() * assignment["treated"].to_numpy()
    caused = assignment.filter(pl.Series(chance(rng, effect, assignment.height)))
    person = caused["person"].to_numpy()
    zone, hour = (people[name].to_numpy()[person] for name in ("zone", "best_hour"))
    start = caused["at"].to_numpy()
    later = start + (rng.random(len(person)) * (caused["window"].to_numpy() - DAY)).clip(0).astype(np.int64)
    at = np.minimum(reaction_times(rng, clock, later, zone, hour), start + caused["window"].to_numpy() - MINUTE)
    return caused.select("person", at=pl.Series(at), caused_by="campaign", campaign_code="code")


def _active_times(rng: Rng, clock: Clock, people: pl.DataFrame, person: Ints) -> Ints:
    zone, hour, weekender = (people[name].to_numpy()[person] for name in ("zone", "best_hour", "weekender"))
    return active_times(rng, clock, zone, hour, weekender)


def _with_baskets(rng: Rng, people: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Add the contents of each order, its discount code, and whether it is placed online or in the store."""
    count = orders.height
    who = people.select("has_shop", "has_card", "basket", "discount_inclination").select(
        pl.all().gather(orders["person"])
    )
    online = who["has_shop"].to_numpy() & (~who["has_card"].to_numpy() | chance(rng, 0.72, count))
    discounted = pl.Series(chance(rng, 0.6 * who["discount_inclination"].to_numpy(), count))
    return orders.with_columns(
        online=pl.Series(online),
        product=pl.Series(rng.integers(0, 12, count)),
        second_product=pl.Series(np.where(chance(rng, 0.3, count), rng.integers(0, 12, count), -1)),
        quantity=pl.Series(np.clip(rng.poisson(0.3 * who["basket"].to_numpy(), count) + 1, 1, 6)),
        code=pl.when(discounted | pl.col("campaign_code").is_not_null()).then(
            pl.coalesce("campaign_code", pl.lit("SAVE10"))
        ),
        number=pl.int_range(pl.len()).over("person"),
    )


def make_visits(rng: Rng, clock: Clock, people: pl.DataFrame, surface: str, mean: float) -> pl.DataFrame:
    """Habitual visits to the web shop or the app: columns person, at."""
    visitors = people[f"has_{surface}"].to_numpy()
    eagerness = rng.gamma(1.5, mean / 1.5, people.height) * max(1.0, clock.days / 90)
    counts = rng.poisson(eagerness * visitors)
    person = np.repeat(np.arange(people.height), counts)
    return pl.DataFrame({"person": person, "at": _active_times(rng, clock, people, person)})
