"""The schema `identity`: which observations are one person, and why."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Reference, Rule, Table

IDENTIFIERS = Table(
    "identity",
    "identifiers",
    "a value of an identifier in an observation",
    (
        Column("observation_id", f.ObservationId, True),
        Column("type", f.IdentifierType, True),
        Column("value", f.Text, True, "normalised; a customer_id carries its source"),
        Column("first_seen_at", f.UtcTime, True),
        Column("last_seen_at", f.UtcTime, True),
    ),
    key=("observation_id", "type", "value"),
)

IDENTIFIER_VALUES = Table(
    "identity",
    "identifier_values",
    "the quality of an identifier value as evidence",
    (
        Column("type", f.IdentifierType, True),
        Column("value", f.Text, True),
        Column("epoch", f.Count, True, "0, or the consecutive number of the holder of a recycled value"),
        Column("quality", f.Quality, True),
        Column("reason", f.Text, True, "the reason for the quality"),
        Column("holder_count", f.Count, True, "observations that have the value"),
        Column("name_count", f.Count, True, "distinct people among them, judged by name"),
        Column("first_seen_at", f.UtcTime, True),
        Column("last_seen_at", f.UtcTime, True),
    ),
    key=("type", "value", "epoch"),
)

EDGES = Table(
    "identity",
    "edges",
    "a piece of evidence that two observations are one person",
    (
        Column("left_id", f.ObservationId, True),
        Column("right_id", f.ObservationId, True),
        Column("kind", f.EdgeKind, True),
        Column("rule", f.Text, True),
        Column("probability", f.Rate, True),
        Column("weight", f.Number, True, "log2 odds"),
        Column("evidence", f.Json),
        Column("model_version", f.Text),
    ),
    references=(
        Reference("left_id", "conformed.observations", "observation_id"),
        Reference("right_id", "conformed.observations", "observation_id"),
    ),
    rules=(
        Rule(
            "apart",
            "an edge connects two different observations",
            "select left_id from identity.edges where left_id = right_id",
        ),
    ),
)

GREY_PAIRS = Table(
    "identity",
    "grey_pairs",
    "a pair that the model finds similar, but not enough to merge: for a steward to review",
    (
        Column("left_id", f.ObservationId, True),
        Column("right_id", f.ObservationId, True),
        Column("probability", f.Rate, True),
        Column("weight", f.Number, True, "log2 odds"),
        Column("evidence", f.Json, True, "the weight of each field"),
        Column("model_version", f.Text, True),
    ),
    key=("left_id", "right_id"),
    references=(
        Reference("left_id", "conformed.observations", "observation_id"),
        Reference("right_id", "conformed.observations", "observation_id"),
    ),
)

OVERSIZED_BLOCKS = Table(
    "identity",
    "oversized_blocks",
    "a blocking key shared by so many records that their pairs are not compared because of it",
    (
        Column("rule", f.Text, True),
        Column("block_id", f.Hash, True, "hash of the key"),
        Column("record_count", f.Count, True, "super-records that share it"),
    ),
    key=("block_id",),
)

MEMBERS = Table(
    "identity",
    "members",
    "an observation's membership in a profile; the current one has no `valid_to_run`",
    (
        Column("observation_id", f.ObservationId, True),
        Column("profile_id", f.ProfileId, True),
        Column("valid_from_run", f.RunId, True),
        Column("valid_to_run", f.RunId),
    ),
    references=(Reference("observation_id", "conformed.observations", "observation_id"),),
    rules=(
        Rule(
            "one_profile",
            "an observation belongs to one profile at a time",
            "select observation_id from identity.members where valid_to_run is null "
            "group by observation_id having count(*) > 1",
        ),
        Rule(
            "all_resolved",
            "every observation belongs to a profile",
            "select observation_id from conformed.observations anti join "
            "(select observation_id from identity.members where valid_to_run is null) using (observation_id)",
        ),
    ),
)

REFUSALS = Table(
    "identity",
    "refusals",
    "a merge that a constraint forbade: the review queue",
    (
        Column("left_id", f.ObservationId, True),
        Column("right_id", f.ObservationId, True),
        Column("rule", f.Text, True),
        Column("probability", f.Rate, True),
        Column("constraint", f.Text, True),
        Column("run_id", f.RunId, True),
    ),
)

PROFILE_CHANGES = Table(
    "identity",
    "profile_changes",
    "a change of a profile id in a run",
    (
        Column("profile_id", f.ProfileId, True),
        Column("other_profile_id", f.ProfileId, False, "the survivor of a merge, the parent of a split"),
        Column("reason", f.ChangeReason, True),
        Column("run_id", f.RunId, True),
    ),
)

ALIASES = Table(
    "identity",
    "aliases",
    "a retired profile id and the surviving profile that replaces it",
    (Column("old_profile_id", f.ProfileId, True), Column("profile_id", f.ProfileId, True)),
    key=("old_profile_id",),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)
