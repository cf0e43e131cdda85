"""The schema `profiles`: the golden record, its traits and metrics."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Reference, Rule, Table
from cdp.metrics import catalogue
from cdp.tables.conformed import PERSON_COLUMNS
from cdp.tables.lineage import LINEAGE

PROFILES = Table(
    "profiles",
    "profiles",
    "a person: the golden record",
    (
        Column("profile_id", f.ProfileId, True),
        *(column for column in PERSON_COLUMNS if column.name in f.CORE_TRAITS),
        Column("created_at", f.UtcTime, True, "first seen by any source"),
        Column("last_seen_at", f.UtcTime, True),
        Column("source_count", f.Count, True),
        Column("observation_count", f.Count, True),
        Column("confidence", f.Rate, True, "probability of the weakest link within the profile"),
    ),
    key=("profile_id",),
)

TRAITS = Table(
    "profiles",
    "traits",
    "a value that a source gave for a trait, with its raw line",
    (
        Column("profile_id", f.ProfileId, True),
        Column("trait", f.Text, True),
        Column("value", f.Text, True),
        Column("is_current", f.Flag, True, "whether the golden record shows this value"),
        Column("source", f.Text, True),
        Column("observed_at", f.UtcTime, True),
        Column("is_claim", f.Flag, True, "told by write keys only"),
        Column("is_unset", f.Flag, True, "its source has set the trait to null since"),
        Column("observation_id", f.ObservationId, True),
        *LINEAGE,
    ),
    key=("profile_id", "trait", "value", "observation_id"),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)

METRICS = Table(
    "profiles",
    "metrics",
    "a person's activity: counts, recency, value, engagement per channel; machine events are not counted. "
    "Each column is an entry of `cdp/metrics/catalogue.py`",
    (
        Column("profile_id", f.ProfileId, True),
        *(Column(metric.name, metric.type, metric.none is not None, metric.meaning) for metric in catalogue.METRICS),
    ),
    key=("profile_id",),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
    rules=(
        Rule(
            "no_negative_tally",
            "no tally is negative",
            "select profile_id from profiles.metrics where "
            f"least({', '.join(metric.name for metric in catalogue.METRICS if metric.type is f.Tally)}) < 0",
        ),
    ),
)
