"""The stages of a customer's lifecycle: the single definition of new, at risk, lapsed, won back and so on.

How long a gap between orders is too long depends on the customer. Customers with three or more orders are measured
against their own cadence (the median number of days between two orders), all others against `USUAL_CADENCE_DAYS`:

| stage | customer |
|---|---|
| `new` | ordered for the first time in the last 30 days |
| `won_back` | came back in the last 90 days after a gap that counts as lapsed |
| `active` | last ordered no more than 2 cadences ago |
| `at_risk` | … more than 2 cadences ago |
| `lapsed` | … more than 4 cadences ago |
| `prospect` | never ordered, but was active or first seen in the last 90 days |
| `dormant` | never ordered, and neither of these |

`at_risk` and `lapsed` take precedence over `new` and `won_back`.
"""

from __future__ import annotations

from cdp.fields import LIFECYCLE_STAGES

USUAL_CADENCE_DAYS = 45
# Orders on consecutive days are not a rhythm, and a year without orders is not normal for anyone.
SHORTEST_CADENCE_DAYS, LONGEST_CADENCE_DAYS = 7, 180
ORDERS_OF_A_CADENCE = 3
AT_RISK_CADENCES, LAPSED_CADENCES = 2, 4
NEW_DAYS, WON_BACK_DAYS, PROSPECT_DAYS = 30, 90, 90

MEANING = f"{', '.join(LIFECYCLE_STAGES)}: as `cdp/metrics/lifecycle.py` defines them"


def cadence(order_count: str, median_days: str) -> str:
    """SQL of the number of days after which the next order is expected."""
    own = f"least(greatest({median_days}, {SHORTEST_CADENCE_DAYS}), {LONGEST_CADENCE_DAYS})"
    return f"case when {order_count} >= {ORDERS_OF_A_CADENCE} then {own} else {USUAL_CADENCE_DAYS} end"


def is_lapse(days: str, order_count: str, median_days: str) -> str:
    """SQL of whether a customer with that cadence counts as lapsed after so many days without an order."""
    return f"{days} > {LAPSED_CADENCES} * {cadence(order_count, median_days)}"


_EXPECTED = cadence("order_count", "order_cadence_days")
_DAYS_SINCE_ORDER = "((epoch_us($as_of) - epoch_us(last_order_at)) / 86400e6)"

# An expression over the other metrics, the profile's created_at and $as_of.
LIFECYCLE_STAGE = f"""case
    when order_count = 0 then case
        when greatest(coalesce(last_active_at, created_at), created_at) > $as_of - interval {PROSPECT_DAYS} days
            then 'prospect' else 'dormant' end
    when {_DAYS_SINCE_ORDER} > {LAPSED_CADENCES} * ({_EXPECTED}) then 'lapsed'
    when {_DAYS_SINCE_ORDER} > {AT_RISK_CADENCES} * ({_EXPECTED}) then 'at_risk'
    when first_order_at > $as_of - interval {NEW_DAYS} days then 'new'
    when won_back_at > $as_of - interval {WON_BACK_DAYS} days then 'won_back'
    else 'active' end"""
