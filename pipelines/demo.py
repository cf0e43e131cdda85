"""The figures that `cdp demo` shows: a published warehouse of the sample, compared with the sample's truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cdp.errors import IdentityError
from cdp.warehouse import Warehouse
from identity.evaluate import Evaluation, Pairwise, as_findable, pairwise
from identity.records import read_line_truth


@dataclass(frozen=True)
class Findings:
    """The figures of a simulation's warehouse.

    people: the number of true people behind the observations. identity: accuracy against the truth. findable: accuracy
    against the part of the truth that the logs give evidence of. segments: segment, profiles. channels: channel,
    profiles (with this best channel), response_rate. profile_id: an interesting example.
    """

    counts: dict[str, int]
    people: int
    identity: Pairwise
    findable: Pairwise
    segments: pl.DataFrame
    channels: pl.DataFrame
    profile_id: str


COUNTS = ("conformed.events", "conformed.observations", "conformed.consents", "landing.rejects", "profiles.profiles")


def find(warehouse: Warehouse, truth: Path) -> Findings:
    """Summarise the warehouse of a simulation whose truth is in the file `truth`."""
    evaluation = evaluate(warehouse, truth)
    return Findings(
        counts={name: warehouse.count(name) for name in COUNTS},
        people=evaluation.records["entity_id"].n_unique(),
        identity=pairwise(evaluation.records),
        findable=pairwise(evaluation.findable),
        segments=warehouse.query(
            "select segment, count(*) as profiles from segments.memberships group by segment order by profiles desc"
        ),
        channels=warehouse.query(BEST_CHANNELS),
        profile_id=str(warehouse.scalar(WORTH_A_LOOK)),
    )


def with_truth(warehouse: Warehouse, truth: Path) -> pl.DataFrame:
    """record_id, cluster_id, entity_id of every observation whose first line is in the truth.

    Raises:
        InputRefused: `truth` is not a truth file.
        IdentityError: it contains none of the published lines.
    """
    known = read_line_truth(truth)
    placed = warehouse.query(
        "select o.observation_id as record_id, m.profile_id as cluster_id, "
        "parse_filename(f.path) as file, o.line_number "
        "from conformed.observations o join landing.files f using (file_id) "
        "join identity.members m on m.observation_id = o.observation_id and m.valid_to_run is null"
    )
    records = placed.join(known, on=["file", "line_number"]).select(
        "record_id", "cluster_id", pl.col("person_id").alias("entity_id")
    )
    if records.is_empty():
        raise IdentityError(
            "the truth contains none of the published lines", where=str(truth), hint="Give the truth.csv of these logs"
        )
    return records


def evaluate(warehouse: Warehouse, truth: Path) -> Evaluation:
    """The published identities against the truth of a simulation."""
    records = with_truth(warehouse, truth)
    return Evaluation(records, as_findable(records, warehouse.query(EVIDENCE)))


def whole_profile(warehouse: Warehouse, profile_id: str) -> dict[str, pl.DataFrame]:
    """A profile with its evidence: traits with their lines, the links between its observations, its channels and
    segments."""
    return {name: warehouse.query(sql, [profile_id]) for name, sql in PROFILE_PARTS.items()}


def best_channel_bars(channels: pl.DataFrame) -> dict[str, tuple[float, str]]:
    return {
        row["channel"]: (row["profiles"], f"{row['profiles']:,} people, {row['response_rate']:.1%} respond")
        for row in channels.iter_rows(named=True)
    }


# The identifying evidence of a record: each identifier that is not junk, and the full name with the date of birth.
EVIDENCE = """
select i.observation_id as record_id, i.type || ' ' || i.value as evidence
from identity.identifiers i
semi join (from identity.identifier_values where quality <> 'junk') v on v.type = i.type and v.value = i.value
union all
select observation_id, concat_ws(' ', first_name, last_name, date_of_birth)
from conformed.observations
where first_name is not null and last_name is not null and date_of_birth is not null
"""

BEST_CHANNELS = """
with best as (
    select profile_id, arg_max(channel, score) as channel
    from segments.channel_preferences where reachable group by profile_id
),
rates as (
    select channel, sum(response_count) / greatest(1, sum(received_count)) as response_rate
    from segments.channel_preferences group by channel
)
select channel, count(*) as profiles, any_value(response_rate) as response_rate
from best join rates using (channel)
group by channel order by profiles desc
"""

# A person described by several sources, some linked only by the model, and a member of segments.
WORTH_A_LOOK = """
select p.profile_id
from profiles.profiles p
join identity.members m on m.profile_id = p.profile_id and m.valid_to_run is null
join identity.edges e on e.left_id = m.observation_id
left join (select profile_id, count(*) as segment_count from segments.memberships group by profile_id) s
    on s.profile_id = p.profile_id
where p.first_name is not null and p.observation_count <= 12
group by p.profile_id, p.source_count, s.segment_count
order by count(*) filter (e.kind = 'model') > 0 desc, p.source_count desc, s.segment_count desc nulls last, p.profile_id
limit 1
"""

PROFILE_PARTS: dict[str, str] = {
    "golden record, each value with its line": """
        select t.trait, t.value, parse_filename(f.path) as file, t.line_number::varchar as line
        from profiles.traits t join landing.files f using (file_id)
        where t.profile_id = $1 and t.is_current order by t.trait
    """,
    "links between its observations": """
        select least(o.source, r.source) || ' – ' || greatest(o.source, r.source) as sources,
            e.kind, e.rule, count(*) as links, round(max(e.probability), 4) as probability,
            round(max(e.weight), 1) as weight
        from identity.edges e
        join identity.members m on m.observation_id = e.left_id and m.valid_to_run is null
        join identity.members n on n.observation_id = e.right_id and n.valid_to_run is null
        join conformed.observations o on o.observation_id = e.left_id
        join conformed.observations r on r.observation_id = e.right_id
        where m.profile_id = $1 and n.profile_id = $1 group by all order by all
    """,
    "channels": """
        select channel, reachable, round(score, 3) as score, round(low, 3) as low, round(high, 3) as high,
            received_count as received, response_count as responses, best_hours
        from segments.channel_preferences where profile_id = $1 order by score desc nulls last
    """,
    "segments": """
        select segment, entered_at::date as since from segments.memberships where profile_id = $1 order by segment
    """,
}


def summary(findings: Findings) -> dict[str, Any]:
    """The figures as a JSON-ready document."""
    identity = findings.identity
    return {
        "counts": findings.counts,
        "pairwise": {"precision": identity.precision, "recall": identity.recall},
        "recall_of_what_evidence_allows": findings.findable.recall,
        "people": findings.people,
        "segments": dict(findings.segments.iter_rows()),
        "best_channels": dict(findings.channels.select("channel", "profiles").iter_rows()),
        "profile_id": findings.profile_id,
    }
