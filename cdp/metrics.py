"""The metrics of a profile, in one table. The columns of `profiles.metrics`, the SQL that fills them and their page in
`cdp/tables.md` come from `METRICS`: a new metric is one entry.

A metric aggregates the rows of one person in a relation that the profiles stage makes, or is computed from other
metrics:

- `activity`: an event, as it was conformed (`event_type`, `channel`, `occurred_at`)
- `active_days`: a day, UTC, on which the person did something (`day`, `occurred_at`: the last time on it)
- `purchases`: an order, or a refund that names no order (`is_order`, `occurred_at`, `amount`, `net_value`, …)
- `messages`: a message, with the last time of each thing that became of it (`channel`, `sent_at`, `clicked_at`, …)
- `scores`: a customer, placed among all customers

A window of N days holds what happened less than N times 24 hours before the time that the run speaks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from cdp import fields as f
from cdp.lifecycle import LIFECYCLE_STAGE
from cdp.lifecycle import MEANING as LIFECYCLE_MEANING

WINDOWS_DAYS = (7, 30, 90, 365)


@dataclass(frozen=True)
class Relation:
    """Whose rows a metric aggregates; of these, only those that fulfil `where`."""

    name: str
    where: str = "true"


@dataclass(frozen=True)
class Metric:
    """A column of `profiles.metrics`.

    sql: an aggregate over the rows of one person in `relation`; without a relation, an expression over other metrics,
        the profile's `created_at` and `$as_of`.
    none: SQL of the value for somebody without such rows; NULL if it is not given.
    window_days: set where only the days before the run's time count.
    """

    name: str
    type: f.FieldType
    relation: Relation | None
    sql: str
    meaning: str = ""
    none: str | None = None
    window_days: int | None = None


ACTIVITY = Relation("activity")
ACTIVE_DAYS = Relation("active_days")
PURCHASES = Relation("purchases")
SCORES = Relation("scores")


def since(days: int) -> str:
    """SQL of the beginning of a window."""
    return f"$as_of - interval {days} days"


def _whole_days_since(time: str) -> str:
    """SQL of the whole days, of 24 hours, up to the run's time. `date_sub` asks a calendar, at many times the cost."""
    return f"(epoch_us($as_of) - epoch_us({time})) // 86400000000"


def _in_windows(
    name: str,
    type: f.FieldType,
    relation: Relation,
    aggregate: str,
    meaning: str,
    *,
    at: str = "occurred_at",
    condition: str = "true",
) -> Iterator[Metric]:
    """The aggregate over everything, and over each window by the time in `at`. Its rows fulfil `condition`."""
    yield Metric(name, type, relation, aggregate.format(f"({condition})"), meaning, none="0")
    for days in WINDOWS_DAYS:
        within = aggregate.format(f"({condition} and {at} > {since(days)})")
        yield Metric(f"{name}_{days}d", type, relation, within, f"… in the last {days} days", "0", days)


_COUNT = "count(*) filter {}"

# What became of a message. Whatever was delivered, opened or clicked was sent.
OUTCOMES = {
    "sent": "messages sent",
    "delivered": "messages that arrived",
    "opened": "messages opened by the person",
    "clicked": "messages clicked in",
    "replied": "messages that the person wrote back",
    "converted": "messages answered last before an order, up to 7 days",
    "bounced": "messages that came back",
    "unsubscribed": "messages that made the person leave or complain",
}
# What people ask of the last weeks; a column costs every run and every reader something.
WINDOWED_OUTCOMES = {
    "email": ("delivered", "opened", "clicked", "converted"),
    "sms": ("delivered", "clicked", "replied", "converted"),
    "push": ("delivered", "opened", "clicked", "converted"),
    "whatsapp": ("delivered", "opened", "replied", "converted"),
}


def _engagement(channel: str) -> Iterator[Metric]:
    # Channel by channel: an aggregate that is filtered costs a look at every row that it leaves out.
    messages = Relation("messages", f"channel = '{channel}'")
    for outcome, meaning in OUTCOMES.items():
        name, at = f"{channel}_{outcome}_count", f"{outcome}_at"
        counted = _in_windows(name, f.Tally, messages, _COUNT, meaning, at=at, condition=f"{at} is not null")
        yield from counted if outcome in WINDOWED_OUTCOMES[channel] else islice(counted, 1)


_ACTIVE = f"event_type in ({', '.join(repr(kind) for kind in f.ACTIVE_EVENT_TYPES)})"
_MEAN_DAYS_APART = "round((max(day) - min(day)) / nullif(count(*) - 1, 0), 2)"
_NET_VALUE = "greatest(0, coalesce(sum(net_value) filter {}, 0))"

METRICS: tuple[Metric, ...] = (
    Metric("event_count", f.Tally, ACTIVITY, "count(*)", none="0"),
    Metric("first_event_at", f.UtcTime, ACTIVITY, "min(occurred_at)"),
    Metric("last_event_at", f.UtcTime, ACTIVITY, "max(occurred_at)"),
    Metric(
        *("last_active_at", f.UtcTime, ACTIVITY, f"max(occurred_at) filter ({_ACTIVE})"),
        "last event that the person did, not we",
    ),
    Metric("recency_days", f.Count, None, _whole_days_since("last_active_at"), "whole days since last_active_at"),
    Metric(
        *("last_cart_at", f.UtcTime, ACTIVITY, "max(occurred_at) filter (event_type = 'added_to_cart')"),
        "last time something was put into a cart",
    ),
    Metric(
        *("tenure_days", f.Count, None, f"greatest(0, {_whole_days_since('created_at')})"),
        "whole days since the person was first seen",
        none="0",
    ),
    *_in_windows("active_day_count", f.Tally, ACTIVE_DAYS, _COUNT, "days, UTC, on which the person did something"),
    Metric("active_cadence_days", f.Number, ACTIVE_DAYS, _MEAN_DAYS_APART, "mean days between active days"),
    *_in_windows("order_count", f.Tally, PURCHASES, _COUNT, "orders: the frequency", condition="is_order"),
    *_in_windows(
        *("order_value", f.Money, PURCHASES, _NET_VALUE),
        "in the profile's main currency, refunds taken off, of the orders",
    ),
    Metric(
        *("currency", f.Currency, PURCHASES, "any_value(main_currency)"),
        "the profile's main currency: that of most of its orders",
    ),
    Metric("average_order_value", f.Money, PURCHASES, "sum(amount) / nullif(count(amount), 0)", "before refunds"),
    Metric(
        "discount_order_count", f.Tally, PURCHASES, "count(*) filter (is_discounted)", "orders at a discount", none="0"
    ),
    Metric("first_order_at", f.UtcTime, PURCHASES, "min(occurred_at) filter (is_order)"),
    Metric("last_order_at", f.UtcTime, PURCHASES, "max(occurred_at) filter (is_order)"),
    Metric(
        *("order_recency_days", f.Count, None, _whole_days_since("last_order_at")),
        "whole days since last_order_at",
    ),
    Metric(
        *("order_cadence_days", f.Number, PURCHASES, "round(median(days_since_previous), 2)"),
        "median days between one order and the next",
    ),
    Metric(
        *("won_back_at", f.UtcTime, PURCHASES, "max(occurred_at) filter (is_return)"),
        "last order that came after so long a silence that the customer had counted as lapsed",
    ),
    Metric(
        *("recency_score", f.Score, SCORES, "any_value(recency_score)"),
        "quintile by last_order_at among all customers; 5 is the best",
    ),
    Metric("frequency_score", f.Score, SCORES, "any_value(frequency_score)", "quintile by order_count"),
    Metric(
        *("value_score", f.Score, SCORES, "any_value(value_score)"),
        "quintile by order_value among the customers of that currency",
    ),
    Metric("lifecycle_stage", f.LifecycleStage, None, LIFECYCLE_STAGE, LIFECYCLE_MEANING, none="'dormant'"),
    *(metric for channel in f.MESSAGE_CHANNELS for metric in _engagement(channel)),
)

# What a profile's document leaves out where nothing happened (`documents.sql`).
EMPTY_WINDOWS = {metric.name: 0 for metric in METRICS if metric.window_days}


def relations(metrics: Iterable[Metric] = METRICS) -> list[Relation]:
    """The relations that they aggregate, each once, in the order of the table."""
    return list(dict.fromkeys(metric.relation for metric in metrics if metric.relation))
