"""Segments: rules as data (`data/segments.yaml`). One tree, two readings: it runs, and it explains itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cdp import tables
from cdp.errors import ConfigurationError
from cdp.fields import MESSAGE_CHANNELS
from cdp.warehouse import Warehouse

Value = bool | int | float | str


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Comparison(_Node):
    """A field held against a value. Exactly one of the comparisons is given.

    A field is a column of profiles.profiles or profiles.metrics, or `<channel>_reachable`. `within_days` and
    `not_within_days` look at times, before the run's as-of time; a missing value fulfils only `is_present: false` and
    `not_within_days`.
    """

    field: str
    equals: Value | None = None
    one_of: tuple[Value, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    within_days: int | None = Field(None, ge=1)
    not_within_days: int | None = Field(None, ge=1)
    is_present: bool | None = None

    @model_validator(mode="after")
    def _compares_once(self) -> Self:
        given = self.model_fields_set - {"field"}
        if len(given) != 1 or getattr(self, next(iter(given))) is None:
            raise ValueError("give exactly one comparison, and a value to compare with")
        return self

    @property
    def operator(self) -> str:
        return next(iter(self.model_fields_set - {"field"}))


class AllOf(_Node):
    all_of: tuple[Rule, ...] = Field(min_length=1)


class AnyOf(_Node):
    any_of: tuple[Rule, ...] = Field(min_length=1)


class NoneOf(_Node):
    none_of: tuple[Rule, ...] = Field(min_length=1)


Rule = Comparison | AllOf | AnyOf | NoneOf


class Segment(_Node):
    """A named rule."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    rule: Rule


class Catalogue(_Node):
    """The segments in force."""

    version: Literal[1]
    segments: tuple[Segment, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [segment.name for segment in self.segments]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"two segments are named {repeated[0]}")
        return self


FACTS = pl.Schema(
    {
        **tables.PROFILES.polars_schema(),
        **tables.METRICS.polars_schema(),
        **{f"{channel}_reachable": pl.Boolean() for channel in MESSAGE_CHANNELS},
    }
)


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue of segments.

    Raises:
        ConfigurationError: it is missing, no YAML, breaks the form, or names a field that does not exist.
    """
    try:
        catalogue = Catalogue.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the catalogue: {error}", where=str(path)) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"not YAML: {error}", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{place}: {first['msg']}", where=str(path)) from error
    for segment in catalogue.segments:
        for problem in filter(None, map(_misfit, comparisons_of(segment.rule))):
            raise ConfigurationError(f"segment {segment.name}: {problem}", where=str(path))
    return catalogue


def comparisons_of(rule: Rule) -> Iterator[Comparison]:
    """The comparisons at the leaves of a rule."""
    if isinstance(rule, Comparison):
        yield rule
    else:
        for child in _children(rule):
            yield from comparisons_of(child)


def condition(rule: Rule, as_of: datetime) -> pl.Expr:
    """The rule as an expression over the facts: true or false, never null."""
    match rule:
        case Comparison():
            return _comparison(rule, as_of)
        case AllOf():
            return pl.all_horizontal(condition(child, as_of) for child in rule.all_of)
        case AnyOf():
            return pl.any_horizontal(condition(child, as_of) for child in rule.any_of)
        case NoneOf():
            return ~pl.any_horizontal(condition(child, as_of) for child in rule.none_of)


def in_words(rule: Rule) -> str:
    """The rule in plain words."""
    match rule:
        case Comparison():
            return _comparison_in_words(rule)
        case AllOf():
            return " and ".join(_nested(child) for child in rule.all_of)
        case AnyOf():
            return " or ".join(_nested(child) for child in rule.any_of)
        case NoneOf():
            first = "neither" if len(rule.none_of) > 1 else "not:"
            return f"{first} " + " nor ".join(_nested(child) for child in rule.none_of)


def memberships(facts: pl.LazyFrame, catalogue: Catalogue, as_of: datetime) -> pl.DataFrame:
    """profile_id, segment: who is in which segment, in one pass over the facts."""
    columns = [condition(segment.rule, as_of).alias(segment.name) for segment in catalogue.segments]
    return (
        facts.select("profile_id", *columns)
        .unpivot(index="profile_id", variable_name="segment", value_name="is_in")
        .filter(pl.col("is_in").cast(pl.Boolean))
        .select("profile_id", "segment")
        .sort("profile_id", "segment")
        .collect()
    )


def segment(warehouse: Warehouse, catalogue: Catalogue, history: pl.DataFrame, *, as_of: datetime, run_id: str) -> None:
    """Write segments.memberships and segments.changes.

    Args:
        history: what changed in earlier runs: profile_id, segment, change, changed_at, run_id, oldest first.
    """
    now_in = memberships(_facts(warehouse), catalogue, as_of)
    entered_before = (
        history.group_by("profile_id", "segment", maintain_order=True)
        .last()
        .filter(pl.col("change") == "entered")
        .select("profile_id", "segment", entered_at="changed_at")
    )
    current = now_in.join(entered_before, on=["profile_id", "segment"], how="left")
    entered = current.filter(pl.col("entered_at").is_null()).select("profile_id", "segment", change=pl.lit("entered"))
    left = entered_before.join(now_in, on=["profile_id", "segment"], how="anti").select(
        "profile_id", "segment", change=pl.lit("left")
    )
    changes = (
        pl.concat([entered, left])
        .sort("profile_id", "segment")
        .with_columns(changed_at=pl.lit(as_of, pl.Datetime("us", "UTC")), run_id=pl.lit(run_id))
    )
    warehouse.replace_rows(
        tables.MEMBERSHIPS,
        current.with_columns(pl.col("entered_at").fill_null(pl.lit(as_of, pl.Datetime("us", "UTC")))),
    )
    warehouse.replace_rows(
        tables.SEGMENT_CHANGES, pl.concat([history.select(changes.columns), changes], how="vertical_relaxed")
    )


def _misfit(comparison: Comparison) -> str | None:
    """Why a field cannot be compared like this, if it cannot."""
    if comparison.field not in FACTS:
        return f"unknown field {comparison.field}"
    if comparison.operator in _compares(FACTS[comparison.field], comparison):
        return None
    return f"{comparison.field} cannot be compared by {comparison.operator} with this value"


def _compares(kind: pl.DataType, comparison: Comparison) -> set[str]:
    """The comparisons that suit a kind of field and the given values."""
    values = comparison.one_of or (() if comparison.equals is None else (comparison.equals,))
    if kind == pl.Datetime:
        return {"is_present", "within_days", "not_within_days"}
    if kind.is_numeric():
        fit = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        return {"is_present", "at_least", "at_most"} | ({"equals", "one_of"} if fit else set())
    wanted = {pl.Boolean(): bool, pl.String(): str}.get(kind)
    fit = wanted is not None and all(isinstance(value, wanted) for value in values)
    return {"is_present"} | ({"equals", "one_of"} if fit else set())


def _facts(warehouse: Warehouse) -> pl.LazyFrame:
    """A row per profile: the golden record, the metrics, and the channels that reach it."""
    reachable = ", ".join(
        f"coalesce(bool_or(r.reachable) filter (r.channel = '{channel}'), false) as {channel}_reachable"
        for channel in MESSAGE_CHANNELS
    )
    reach = warehouse.query(
        f"select p.profile_id, {reachable} from profiles.profiles p left join reach r using (profile_id) group by all"
    )
    profiles = warehouse.query("select * from profiles.profiles").lazy()
    metrics = warehouse.query("select * from profiles.metrics").lazy()
    return profiles.join(metrics, on="profile_id").join(reach.lazy(), on="profile_id")


def _children(rule: AllOf | AnyOf | NoneOf) -> tuple[Rule, ...]:
    match rule:
        case AllOf():
            return rule.all_of
        case AnyOf():
            return rule.any_of
        case NoneOf():
            return rule.none_of


def _comparison(rule: Comparison, as_of: datetime) -> pl.Expr:
    column = pl.col(rule.field)
    if rule.is_present is not None:
        return column.is_not_null() if rule.is_present else column.is_null()
    if rule.within_days is not None:
        return _recent(column, as_of, rule.within_days)
    if rule.not_within_days is not None:
        return ~_recent(column, as_of, rule.not_within_days)
    if rule.one_of is not None:
        return column.is_in(list(rule.one_of)).fill_null(False)
    if rule.at_least is not None:
        return (column >= rule.at_least).fill_null(False)
    if rule.at_most is not None:
        return (column <= rule.at_most).fill_null(False)
    return (column == rule.equals).fill_null(False)


def _recent(column: pl.Expr, as_of: datetime, days: int) -> pl.Expr:
    return (column > as_of - timedelta(days=days)).fill_null(False)


def _comparison_in_words(rule: Comparison) -> str:
    name = rule.field.replace("_", " ")
    match rule.operator:
        case "is_present":
            return f"{name} is {'known' if rule.is_present else 'missing'}"
        case "within_days":
            return f"{name} was in the last {rule.within_days} days"
        case "not_within_days":
            return f"{name} was not in the last {rule.not_within_days} days"
        case "one_of":
            return f"{name} is one of {', '.join(map(str, rule.one_of or ()))}"
        case "equals":
            return f"{name} is {str(rule.equals).lower() if isinstance(rule.equals, bool) else rule.equals}"
        case operator:
            return f"{name} is {operator.replace('_', ' ')} {getattr(rule, operator):g}"


def _nested(rule: Rule) -> str:
    return in_words(rule) if isinstance(rule, Comparison) else f"({in_words(rule)})"
