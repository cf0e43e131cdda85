"""A catalogue of segments from its file. What is wrong is said with file, line and field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cdp.errors import ConfigurationError
from cdp.segments.facts import misfit
from cdp.segments.rules import TAG, Catalogue, Comparison, Rule, Segment, SegmentReference, children, conditions_of

HINT = "cdp/segments/reference.md shows every form of a rule"

Place = tuple[str | int, ...]

_PROBLEMS = {
    "extra_forbidden": "there is no such key here",
    "missing": "is missing",
    "model_type": "this should be a mapping of keys to values",
    "dict_type": "this should be a mapping of keys to values",
    "tuple_type": "this should be a list",
}


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue of segments.

    Raises:
        ConfigurationError: it cannot be read or is no YAML, breaks the form, names a field or a segment that does not
            exist, compares a field as it cannot be, names two segments alike, or defines a segment by itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the catalogue of segments: {error}", where=str(path)) from error
    return parse_catalogue(text, str(path))


def parse_catalogue(text: str, where: str) -> Catalogue:
    """The catalogue that is the YAML `text`; `where` names it in errors. Raises as `load_catalogue`."""
    content, root = _yaml(text, where)
    try:
        catalogue = Catalogue.model_validate(content)
    except ValidationError as error:
        # A key that is mistyped is missing, too: what is there and wrong says more.
        first = min(error.errors(include_url=False), key=lambda found: found["type"] == "missing")
        place = tuple(part for part in first["loc"] if not str(part).startswith(TAG))
        problem = _PROBLEMS.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise _refusal(where, root, content, place, problem) from error
    for place, problem in _problems(catalogue):
        raise _refusal(where, root, content, place, problem)
    return catalogue


def in_order(catalogue: Catalogue) -> list[tuple[Segment, ...]]:
    """The segments in groups, each of which refers to earlier groups only."""
    groups: list[tuple[Segment, ...]] = []
    known: set[str] = set()
    waiting = list(catalogue.segments)
    while waiting:
        ready = tuple(segment for segment in waiting if set(_references(segment.rule)) <= known)
        if not ready:
            raise ValueError("segments refer to each other in a circle")
        groups.append(ready)
        known |= {segment.name for segment in ready}
        waiting = [segment for segment in waiting if segment.name not in known]
    return groups


def _yaml(text: str, where: str) -> tuple[Any, yaml.Node | None]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise ConfigurationError(f"not YAML: {problem}", where=f"{where}{line}") from error
    except (RecursionError, ValueError) as error:
        # Nested without end, or a date such as 2026-02-30.
        raise ConfigurationError(f"not YAML that can be read: {error}", where=where) from error
    for key in _repeated_keys(root):
        raise ConfigurationError(
            f"{key.value}: the same key stands here twice", where=f"{where}:{key.start_mark.line + 1}"
        )
    return content, root


def _repeated_keys(root: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """YAML forbids them, and its reader takes the last."""
    waiting, met = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in met:
            continue
        met.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in keys:
                    yield key
                keys.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)


def _problems(catalogue: Catalogue) -> Iterator[tuple[Place, str]]:
    """What one form alone does not show: where, and what is wrong."""
    names = [segment.name for segment in catalogue.segments]
    for number, segment in enumerate(catalogue.segments):
        if segment.name in names[:number]:
            yield ("segments", number, "name"), f"two segments are named {segment.name}"
        for place, condition in _placed(segment.rule, ("segments", number, "rule")):
            if isinstance(condition, Comparison) and (found := misfit(condition)):
                yield (*place, found[0]), found[1]
            if isinstance(condition, SegmentReference) and condition.segment not in names:
                yield (*place, "segment"), f"there is no segment {condition.segment}"
    yield from _circles(catalogue)


def _placed(rule: Rule, place: Place) -> Iterator[tuple[Place, Rule]]:
    """The conditions at the leaves of a rule, with their places."""
    below = children(rule)
    if not below:
        yield place, rule
    key = next(iter(type(rule).model_fields))
    for number, child in enumerate(below):
        yield from _placed(child, (*place, key, number))


def _circles(catalogue: Catalogue) -> Iterator[tuple[Place, str]]:
    references = {segment.name: tuple(_references(segment.rule)) for segment in catalogue.segments}
    for number, segment in enumerate(catalogue.segments):
        for place, condition in _placed(segment.rule, ("segments", number, "rule")):
            if isinstance(condition, SegmentReference):
                way = _way(references, condition.segment, segment.name)
                if way:
                    circle = " → ".join((segment.name, *way))
                    yield (*place, "segment"), f"the segment is defined by itself: {circle}"


def _way(references: Mapping[str, tuple[str, ...]], start: str, goal: str) -> tuple[str, ...] | None:
    """The names from `start` to `goal`, along the references, if there is a way."""
    ways: list[tuple[str, ...]] = [(start,)]
    met = {start}
    while ways:
        way = ways.pop(0)
        if way[-1] == goal:
            return way
        for name in references[way[-1]]:
            if name not in met:
                met.add(name)
                ways.append((*way, name))
    return None


def _references(rule: Rule) -> Iterator[str]:
    return (found.segment for found in conditions_of(rule) if isinstance(found, SegmentReference))


def _refusal(where: str, root: yaml.Node | None, content: Any, place: Place, problem: str) -> ConfigurationError:
    return ConfigurationError(f"{_named(content, place)}: {problem}", where=f"{where}:{_line(root, place)}", hint=HINT)


def _named(content: Any, place: Place) -> str:
    """A place in words: the segment by its name, and the way to the field from there."""
    if place[:1] != ("segments",) or len(place) < 2:
        return ".".join(map(str, place)) or "the catalogue"
    segment = content["segments"][place[1]]
    name = segment.get("name") if isinstance(segment, dict) else None
    called = f"segment {name}" if isinstance(name, str) else f"segment {int(place[1]) + 1}"
    return ": ".join(part for part in (called, ".".join(map(str, place[2:]))) if part)


def _line(node: yaml.Node | None, place: Place) -> int:
    """The line of what stands at `place`, or of the innermost that is there around it."""
    line = 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
