"""The metrics of a profile, in one table. The columns of `profiles.metrics`, the SQL that fills them and their
documentation in `cdp/tables/reference.md` derive from `METRICS`: a new metric is one entry.

A metric aggregates the rows of one person in a relation created by the profiles stage, or is computed from other
metrics:

- `activity`: a conformed event (`event_type`, `channel`, `occurred_at`)
- `active_days`: a day, UTC, on which the person was active (`day`, `occurred_at`: the last time on that day)
- `purchases`: an order, or a refund that names no order (`is_order`, `occurred_at`, `amount`, `net_value`, …)
- `messages`: a message, with the last time of each of its outcomes (`channel`, `sent_at`, `clicked_at`, …)
- `scores`: a customer, ranked among all customers

A window of N days contains what happened less than N times 24 hours before the run's as-of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from cdp import fields as f
from cdp.channels import BY_NAME, MESSAGE_CHANNELS, Channel
from cdp.metrics.lifecycle import LIFECYCLE_STAGE
from cdp.metrics.lifecycle import MEANING as LIFECYCLE_MEANING

WINDOWS_DAYS = (7, 30, 90, 365)


@dataclass(frozen=True)
class Relation:
    """The relation that a metric aggregates, restricted to the rows that fulfil `where`."""

    name: str
    where: str = "true"


@dataclass(frozen=True)
class Metric:
    """A column of `profiles.metrics`.

    sql: an aggregate over the rows of one person in `relation`; without a relation, an expression over other metrics,
        the profile's `created_at` and `$as_of`.
    none: SQL of the value for a person without such rows; NULL by default.
    window_days: set if only that many days before the run's as-of time count.
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
    """SQL of the start of a window."""
    return f"$as_of - interval {days} days"


def _whole_days_since(time: str) -> str:
    """SQL of the number of whole 24-hour days until the as-of time. `date_sub` uses a calendar and costs far more."""
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
    """The aggregate over all time and over each window, by the time in `at`, of the rows that fulfil `condition`."""
    yield Metric(name, type, relation, aggregate.format(f"({condition})"), meaning, none="0")
    for days in WINDOWS_DAYS:
        within = aggregate.format(f"({condition} and {at} > {since(days)})")
        yield Metric(f"{name}_{days}d", type, relation, within, f"… in the last {days} days", "0", days)


_COUNT = "count(*) filter {}"

# The outcomes of a message. Anything delivered, opened or clicked also counts as sent.
OUTCOMES = {
    "sent": "messages sent",
    "delivered": "messages delivered",
    "opened": "messages opened by the person",
    "clicked": "messages in which the person clicked",
    "replied": "messages that the person sent as replies",
    "converted": "messages that were the last one answered before an order, up to 7 days earlier",
    "bounced": "messages that bounced",
    "unsubscribed": "messages that led to an unsubscription or a complaint",
}


def _engagement(channel: Channel) -> Iterator[Metric]:
    # Channel by channel: a filtered aggregate also reads every row that it leaves out.
    messages = Relation("messages", f"channel = '{channel.name}'")
    for outcome, meaning in OUTCOMES.items():
        name, at = f"{channel.name}_{outcome}_count", f"{outcome}_at"
        counted = _in_windows(name, f.Tally, messages, _COUNT, meaning, at=at, condition=f"{at} is not null")
        yield from counted if outcome in channel.windowed_outcomes else islice(counted, 1)


_ACTIVE = f"event_type in ({', '.join(repr(kind) for kind in f.ACTIVE_EVENT_TYPES)})"
_MEAN_DAYS_APART = "round((max(day) - min(day)) / nullif(count(*) - 1, 0), 2)"
_NET_VALUE = "greatest(0, coalesce(sum(net_value) filter {}, 0))"

METRICS: tuple[Metric, ...] = (
    Metric("event_count", f.Tally, ACTIVITY, "count(*)", none="0"),
    Metric("first_event_at", f.UtcTime, ACTIVITY, "min(occurred_at)"),
    Metric("last_event_at", f.UtcTime, ACTIVITY, "max(occurred_at)"),
    Metric(
        *("last_active_at", f.UtcTime, ACTIVITY, f"max(occurred_at) filter ({_ACTIVE})"),
        "last event that the person caused themselves",
    ),
    Metric("recency_days", f.Count, None, _whole_days_since("last_active_at"), "whole days since last_active_at"),
    Metric(
        *("last_cart_at", f.UtcTime, ACTIVITY, "max(occurred_at) filter (event_type = 'added_to_cart')"),
        "last time something was added to a cart",
    ),
    Metric(
        *("tenure_days", f.Count, None, f"greatest(0, {_whole_days_since('created_at')})"),
        "whole days since the person was first seen",
        none="0",
    ),
    *_in_windows("active_day_count", f.Tally, ACTIVE_DAYS, _COUNT, "days, UTC, on which the person was active"),
    Metric("active_cadence_days", f.Number, ACTIVE_DAYS, _MEAN_DAYS_APART, "mean days between active days"),
    *_in_windows("order_count", f.Tally, PURCHASES, _COUNT, "orders: the frequency", condition="is_order"),
    *_in_windows(
        *("order_value", f.Money, PURCHASES, _NET_VALUE),
        "value of orders in the profile's main currency, net of refunds",
    ),
    Metric(
        *("currency", f.Currency, PURCHASES, "any_value(main_currency)"),
        "the profile's main currency: the one used in most of its orders",
    ),
    Metric("average_order_value", f.Money, PURCHASES, "sum(amount) / nullif(count(amount), 0)", "before refunds"),
    Metric(
        "discount_order_count", f.Tally, PURCHASES, "count(*) filter (is_discounted)", "discounted orders", none="0"
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
        "last order after a gap so long that the customer had counted as lapsed",
    ),
    Metric(
        *("recency_score", f.Score, SCORES, "any_value(recency_score)"),
        "quintile by last_order_at among all customers; 5 is the best",
    ),
    Metric("frequency_score", f.Score, SCORES, "any_value(frequency_score)", "quintile by order_count"),
    Metric(
        *("value_score", f.Score, SCORES, "any_value(value_score)"),
        "quintile by order_value among the customers with the same currency",
    ),
    Metric("lifecycle_stage", f.LifecycleStage, None, LIFECYCLE_STAGE, LIFECYCLE_MEANING, none="'dormant'"),
    *(metric for name in MESSAGE_CHANNELS for metric in _engagement(BY_NAME[name])),
)

# Metrics that a profile's document omits if they are zero (`documents.sql`).
EMPTY_WINDOWS = {metric.name: 0 for metric in METRICS if metric.window_days}


def relations(metrics: Iterable[Metric] = METRICS) -> list[Relation]:
    """The relations that the metrics aggregate, each once, in the order of `metrics`."""
    return list(dict.fromkeys(metric.relation for metric in metrics if metric.relation))
