"""Where somebody stands as a customer: the one place that says what new, at risk, lapsed or won back means.

How long a silence is long depends on the customer. Who has ordered three times or more is held against the own cadence
(the median of the days between two orders), all others against `USUAL_CADENCE_DAYS`:

| stage | who |
|---|---|
| `new` | ordered for the first time in the last 30 days |
| `won_back` | came back in the last 90 days after a silence that counts as lapsed |
| `active` | has been silent for no more than 2 cadences |
| `at_risk` | … for more than 2 cadences |
| `lapsed` | … for more than 4 cadences |
| `prospect` | never ordered, but did something or was first seen in the last 90 days |
| `dormant` | never ordered, and none of that |

Who has come back keeps `won_back` only while not silent for too long again.
"""

from __future__ import annotations

from cdp.fields import LIFECYCLE_STAGES

USUAL_CADENCE_DAYS = 45
# A day between two orders is no rhythm, and after a year nobody's silence is usual.
SHORTEST_CADENCE_DAYS, LONGEST_CADENCE_DAYS = 7, 180
ORDERS_OF_A_CADENCE = 3
AT_RISK_CADENCES, LAPSED_CADENCES = 2, 4
NEW_DAYS, WON_BACK_DAYS, PROSPECT_DAYS = 30, 90, 90

MEANING = f"{', '.join(LIFECYCLE_STAGES)}: as `cdp/metrics/lifecycle.py` defines them"


def cadence(order_count: str, median_days: str) -> str:
    """SQL of the days after which a next order is expected."""
    own = f"least(greatest({median_days}, {SHORTEST_CADENCE_DAYS}), {LONGEST_CADENCE_DAYS})"
    return f"case when {order_count} >= {ORDERS_OF_A_CADENCE} then {own} else {USUAL_CADENCE_DAYS} end"


def is_lapse(days: str, order_count: str, median_days: str) -> str:
    """SQL of whether so many days without an order make a customer of that cadence a lapsed one."""
    return f"{days} > {LAPSED_CADENCES} * {cadence(order_count, median_days)}"


_EXPECTED = cadence("order_count", "order_cadence_days")
_SILENT = "((epoch_us($as_of) - epoch_us(last_order_at)) / 86400e6)"

# An expression over the other metrics, the profile's created_at and $as_of.
LIFECYCLE_STAGE = f"""case
    when order_count = 0 then case
        when greatest(coalesce(last_active_at, created_at), created_at) > $as_of - interval {PROSPECT_DAYS} days
            then 'prospect' else 'dormant' end
    when {_SILENT} > {LAPSED_CADENCES} * ({_EXPECTED}) then 'lapsed'
    when {_SILENT} > {AT_RISK_CADENCES} * ({_EXPECTED}) then 'at_risk'
    when first_order_at > $as_of - interval {NEW_DAYS} days then 'new'
    when won_back_at > $as_of - interval {WON_BACK_DAYS} days then 'won_back'
    else 'active' end"""
