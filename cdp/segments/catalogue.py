"""Loads a catalogue of segments from its file. Errors name file, line and field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cdp.errors import ConfigurationError
from cdp.segments.facts import comparison_problem
from cdp.segments.rules import TAG, Catalogue, Comparison, Rule, Segment, SegmentReference, children, conditions_of
from cdp.yaml_files import Document, Place, first_problem, parse_yaml, read_yaml

HINT = "cdp/segments/reference.md shows every form of a rule"


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue of segments.

    Raises:
        ConfigurationError: the file is unreadable, not YAML or invalid: an unknown field or segment, a comparison that
            does not fit its field, a duplicate name, or a circular definition.
    """
    return _catalogue(read_yaml(path, "the segment catalogue"))


def parse_catalogue(text: str, where: str) -> Catalogue:
    """Parse a catalogue from YAML; `where` names it in errors. Raises like `load_catalogue`."""
    return _catalogue(parse_yaml(text, where))


def _catalogue(document: Document) -> Catalogue:
    try:
        catalogue = Catalogue.model_validate(document.content)
    except ValidationError as error:
        loc, problem = first_problem(error)
        place = tuple(part for part in loc if not str(part).startswith(TAG))
        raise _refusal(document, place, problem) from error
    for place, problem in _problems(catalogue):
        raise _refusal(document, place, problem)
    return catalogue


def in_order(catalogue: Catalogue) -> list[tuple[Segment, ...]]:
    """The segments in groups, each of which refers only to segments of earlier groups."""
    groups: list[tuple[Segment, ...]] = []
    known: set[str] = set()
    waiting = list(catalogue.segments)
    while waiting:
        ready = tuple(segment for segment in waiting if set(_references(segment.rule)) <= known)
        if not ready:
            raise ValueError("segments refer to each other in a cycle")
        groups.append(ready)
        known |= {segment.name for segment in ready}
        waiting = [segment for segment in waiting if segment.name not in known]
    return groups


def _problems(catalogue: Catalogue) -> Iterator[tuple[Place, str]]:
    """(place, problem) of errors that involve more than one form."""
    names = [segment.name for segment in catalogue.segments]
    for number, segment in enumerate(catalogue.segments):
        if segment.name in names[:number]:
            yield ("segments", number, "name"), f"duplicate segment name {segment.name}"
        for place, condition in _placed(segment.rule, ("segments", number, "rule")):
            if isinstance(condition, Comparison) and (found := comparison_problem(condition)):
                yield (*place, found[0]), found[1]
            if isinstance(condition, SegmentReference) and condition.segment not in names:
                yield (*place, "segment"), f"unknown segment {condition.segment}"
    yield from _cycles(catalogue)


def _placed(rule: Rule, place: Place) -> Iterator[tuple[Place, Rule]]:
    """The conditions of a rule, with their places."""
    below = children(rule)
    if not below:
        yield place, rule
    key = next(iter(type(rule).model_fields))
    for number, child in enumerate(below):
        yield from _placed(child, (*place, key, number))


def _cycles(catalogue: Catalogue) -> Iterator[tuple[Place, str]]:
    references = {segment.name: tuple(_references(segment.rule)) for segment in catalogue.segments}
    for number, segment in enumerate(catalogue.segments):
        for place, condition in _placed(segment.rule, ("segments", number, "rule")):
            if isinstance(condition, SegmentReference):
                path = _path(references, condition.segment, segment.name)
                if path:
                    cycle = " → ".join((segment.name, *path))
                    yield (*place, "segment"), f"circular definition: {cycle}"


def _path(references: Mapping[str, tuple[str, ...]], start: str, goal: str) -> tuple[str, ...] | None:
    """The shortest path of references from `start` to `goal`, if there is one."""
    paths: list[tuple[str, ...]] = [(start,)]
    visited = {start}
    while paths:
        path = paths.pop(0)
        if path[-1] == goal:
            return path
        for name in references[path[-1]]:
            if name not in visited:
                visited.add(name)
                paths.append((*path, name))
    return None


def _references(rule: Rule) -> Iterator[str]:
    return (found.segment for found in conditions_of(rule) if isinstance(found, SegmentReference))


def _refusal(document: Document, place: Place, problem: str) -> ConfigurationError:
    return document.refusal(place, f"{_label(document.content, place)}: {problem}", HINT)


def _label(content: Any, place: Place) -> str:
    """A place for people: the name of the segment, and the path to the field within it."""
    if place[:1] != ("segments",) or len(place) < 2:
        return ".".join(map(str, place)) or "the catalogue"
    segment = content["segments"][place[1]]
    name = segment.get("name") if isinstance(segment, dict) else None
    label = f"segment {name}" if isinstance(name, str) else f"segment {int(place[1]) + 1}"
    return ": ".join(part for part in (label, ".".join(map(str, place[2:]))) if part)
