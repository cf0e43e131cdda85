"""Queries on the segments of a published warehouse: why a profile is in one, and what another catalogue would change.

Nothing is written: each query uses temporary relations of its own connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from cdp.errors import NotFound, Unavailable
from cdp.segments import Catalogue, Finding, Person, Segment, explain
from cdp.segments.gathering import gather_fields
from cdp.warehouse import Warehouse
from pipelines.segments.memberships import members_of, tell_events
from pipelines.statements import statement

_ONE_PERSON = "select observation_id, profile_id from identity.members where valid_to_run is null and profile_id = $1"
_TRAITS = "select trait, value from profiles.traits where is_current and profile_id = $1"
_MEMBERSHIPS = "select segment, entered_at from segments.memberships where profile_id = $1"


@dataclass(frozen=True)
class Change:
    """What a catalogue would change in one segment.

    now, then: the number of members, as published and under the catalogue; None if the segment is not in that one.
    entering, leaving: ids of the profiles.
    """

    segment: str
    now: int | None
    then: int | None
    entering: list[str]
    leaving: list[str]

    @property
    def status(self) -> str:
        """The change to the segment itself: "new", "dropped" or none ("")."""
        return "new" if self.now is None else "dropped" if self.then is None else ""


@dataclass(frozen=True)
class Membership:
    """Whether a profile is in a segment, since when, and why."""

    segment: Segment
    entered_at: datetime | None
    finding: Finding


def published_catalogue(warehouse: Warehouse) -> Catalogue:
    """The catalogue of the last run.

    Raises:
        Unavailable: the last run was made before catalogues were stored.
    """
    rows = warehouse.query("select segment as name, title, rule from segments.catalogue order by position")
    if rows.is_empty() and warehouse.count("segments.memberships"):
        raise Unavailable("the warehouse holds no catalogue of segments", hint="Run `cdp run`")
    segments = [{**row, "rule": json.loads(row["rule"])} for row in rows.iter_rows(named=True)]
    return Catalogue.model_validate({"version": 1, "segments": segments})


def preview(warehouse: Warehouse, catalogue: Catalogue) -> list[Change]:
    """What `catalogue` would change, as of the last run; in the catalogue's order, dropped segments last."""
    warehouse.run(statement("link/people"), name="people")
    as_of = _prepare(warehouse)
    now_in = warehouse.query("select profile_id, segment from segments.memberships")
    then_in = members_of(warehouse, catalogue, as_of)
    known = [segment.name for segment in published_catalogue(warehouse).segments]
    wanted = [segment.name for segment in catalogue.segments]
    return [
        Change(
            name,
            now=_size(now_in, name) if name in known else None,
            then=_size(then_in, name) if name in wanted else None,
            entering=_only(then_in, now_in, name),
            leaving=_only(now_in, then_in, name),
        )
        for name in dict.fromkeys([*wanted, *known])
    ]


def why(warehouse: Warehouse, profile_id: str) -> list[Membership]:
    """For every segment of the last run: whether a profile is in it, with the result and value of each condition.

    Raises:
        NotFound: no such profile.
    """
    facts = gather_fields(warehouse, profile_id)
    if not facts:
        raise NotFound("there is no profile with this id")
    catalogue = published_catalogue(warehouse)
    with warehouse.frame("people", warehouse.query(_ONE_PERSON, [profile_id])):
        as_of = _prepare(warehouse)
    traits = dict(warehouse.query(_TRAITS, [profile_id]).iter_rows())
    events = warehouse.query("select * from told_events").to_dicts()
    person = Person(facts, traits, events)
    since = dict(warehouse.query(_MEMBERSHIPS, [profile_id]).iter_rows())
    return [
        Membership(one, since.get(one.name), explain(one.rule, person, catalogue, as_of)) for one in catalogue.segments
    ]


def as_document(finding: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    value = finding.value.isoformat() if hasattr(finding.value, "isoformat") else finding.value
    found: dict[str, Any] = {"condition": finding.condition, "held": finding.held}
    return found | ({"of": [as_document(part) for part in finding.parts]} if finding.parts else {"value": value})


def _prepare(warehouse: Warehouse) -> datetime:
    """Make the view of the events of `people` as of the last run; returns that run's `as_of`."""
    as_of: datetime = warehouse.scalar("select as_of from runs.runs order by started_at desc limit 1").astimezone(UTC)
    warehouse.run(statement("profiles/numbered"), name="numbered")
    tell_events(warehouse, as_of)
    return as_of


def _size(members: pl.DataFrame, segment: str) -> int:
    return members.filter(pl.col("segment") == segment).height


def _only(these: pl.DataFrame, those: pl.DataFrame, segment: str) -> list[str]:
    """The ids of the members of a segment in `these` but not in `those`, sorted."""
    here, there = (members.filter(pl.col("segment") == segment) for members in (these, those))
    return here.join(there, on="profile_id", how="anti")["profile_id"].sort().to_list()
