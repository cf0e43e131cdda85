"""Why two people are one profile or two: the answers of `cdp identity explain`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from cdp import json_text
from cdp.errors import IdentityError
from cdp.warehouse import Warehouse
from identity.chain import Link, evidence_in_force, strongest_chain
from identity.compare import Bench, Scored, bench
from identity.model import Model
from identity.references import current_members
from identity.sql import statement


@dataclass(frozen=True)
class Explanation:
    """The evidence for and against, and what a chart of it compares.

    document: the evidence, ready for JSON. weighed: pairs of groups of observations to chart. alone: whether the groups
    are charted by themselves, instead of with the exact components that they belong to.
    """

    document: dict[str, Any]
    weighed: Sequence[tuple[list[str], list[str]]]
    alone: bool = False


@dataclass(frozen=True)
class Explainer:
    """The data behind explanations.

    warehouse: the published one. decisions: the stewards' decisions in force: kind, left_id, right_id, author, reason,
    decided_at. patterns: as `identity.values.judge` takes them.
    """

    warehouse: Warehouse
    decisions: pl.DataFrame
    model: Model
    patterns: pl.DataFrame

    def explain(self, left: pl.DataFrame, right: pl.DataFrame) -> Explanation:
        """Explain two groups of observations, given as observation_id, profile_id.

        Raises:
            IdentityError: they are in one profile, but no evidence connects them.
        """
        together = sorted(set(left["profile_id"]) & set(right["profile_id"]))
        return self._one_profile(together[0], left, right) if together else self._two_profiles(left, right)

    def chart(self, explanation: Explanation) -> str:
        """Splink's waterfall chart of the comparison: an HTML document that works offline.

        Raises:
            IdentityError: the model cannot compare anything here.
        """
        ids = [one for pair in explanation.weighed for side in pair for one in side]
        with self._bench(ids, alone=explanation.alone) as on:
            scored = [one for one in (on.score(*pair) for pair in explanation.weighed) if one]
            if scored:
                return on.chart(scored)
        raise IdentityError(
            "there is nothing to chart: the model compares two descriptions if each has a name or a date of birth",
            where="--chart",
            hint="Without this option, the evidence is shown as text",
        )

    def _one_profile(self, profile_id: str, left: pl.DataFrame, right: pl.DataFrame) -> Explanation:
        starts, ends = (_inside(side, profile_id) for side in (left, right))
        chain = strongest_chain(evidence_in_force(self.warehouse, profile_id), starts, ends)
        if chain is None:
            raise IdentityError("no evidence connects the two any more", where=profile_id, hint="Run `cdp run`")
        passed = [chain[0].from_id, *(link.to_id for link in chain)] if chain else [min(set(starts) & set(ends))]
        document = {
            "same_profile": True,
            "profile_id": profile_id,
            "chain": [self._link(link) for link in chain],
            "observations": self._observations(passed),
        }
        judged = [([link.from_id], [link.to_id]) for link in chain if link.evidence.kind == "model"]
        ends_of_it = [([passed[0]], [passed[-1]])] if chain else []
        return Explanation(document, judged or ends_of_it, alone=not judged)

    def _two_profiles(self, left: pl.DataFrame, right: pl.DataFrame) -> Explanation:
        one, other = (current_members(self.warehouse, side["profile_id"]) for side in (left, right))
        with self.warehouse.frame("one", one), self.warehouse.frame("other", other):
            shared = self.warehouse.query(statement("shared_values"))
            refusals = self.warehouse.query(statement("refusals_between"))
        sides = (one["observation_id"].to_list(), other["observation_id"].to_list())
        with self._bench([*sides[0], *sides[1]]) as on:
            scored = on.score(*sides)
        named = [left["observation_id"][0], right["observation_id"][0]]
        speaking = [scored.left_id, scored.right_id] if scored else named
        document = {
            "same_profile": False,
            "profile_ids": [_profiles(one), _profiles(other)],
            "comparison": self._comparison(scored) if scored else None,
            "shared_values": shared.to_dicts(),
            "refusals": refusals.to_dicts(),
            "decisions": self._decisions_between(*sides),
            "observations": self._observations(list(dict.fromkeys([named[0], *speaking, named[1]]))),
        }
        return Explanation(document, [sides])

    def _bench(self, ids: Sequence[str], *, alone: bool = False) -> AbstractContextManager[Bench]:
        return bench(self.warehouse, ids, self.model, self.patterns, alone=alone)

    def _observations(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The observations in the given order, each with its values, its file and line, and its raw row."""
        with self.warehouse.frame("asked", pl.DataFrame({"observation_id": ids})):
            rows = self.warehouse.query(statement("raw_rows")).iter_rows(named=True)
            found = {row["observation_id"]: row for row in rows}
        return [{**found[one], **_read(found[one])} for one in ids]

    def _link(self, link: Link) -> dict[str, Any]:
        """The link as a document: an exact link has `type`, `value`, the model's `fields`, a steward's `decision`."""
        evidence, details = link.evidence, link.evidence.details
        exact, model = evidence.kind == "exact", evidence.kind == "model"
        return {
            "from": link.from_id,
            "to": link.to_id,
            "kind": evidence.kind,
            "rule": evidence.rule,
            "type": details["type"] if exact else None,
            "value": details["value"] if exact else None,
            "fields": details if model else None,
            "probability": evidence.probability,
            "weight": evidence.weight,
            "decision": next(iter(self._decisions_between([link.from_id], [link.to_id])), None)
            if evidence.kind == "steward"
            else None,
        }

    def _decisions_between(self, left: list[str], right: list[str]) -> list[dict[str, Any]]:
        one, other = pl.col("left_id"), pl.col("right_id")
        between = (one.is_in(left) & other.is_in(right)) | (one.is_in(right) & other.is_in(left))
        columns = ("kind", "left_id", "right_id", "author", "reason", "decided_at")
        found = self.decisions.filter(between).select(columns).iter_rows(named=True)
        return [{**row, "decided_at": row["decided_at"].isoformat()} for row in found]

    def _comparison(self, scored: Scored) -> dict[str, Any]:
        return {
            "left_id": scored.left_id,
            "right_id": scored.right_id,
            "model_version": self.model.version,
            "prior": scored.prior,
            "fields": [asdict(field) for field in scored.fields],
            "weight": scored.weight,
            "probability": scored.probability,
            "threshold": self.model.threshold,
        }


def _inside(side: pl.DataFrame, profile_id: str) -> list[str]:
    found: list[str] = side.filter(pl.col("profile_id") == profile_id)["observation_id"].to_list()
    return found


def _profiles(members: pl.DataFrame) -> list[str]:
    found: list[str] = members["profile_id"].unique().sort().to_list()
    return found


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """The parsed JSON of a raw row, without the values that the observation lacks."""
    says = {name: value for name, value in json.loads(row["says"]).items() if value is not None}
    return {"says": says, "payload": json_text.loads(row["payload"]) if row["payload"] else None}
