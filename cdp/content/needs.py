"""The values that a template needs from its sender: what they look like, and how long they may be at most."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from cdp.content.model import Need

# A letter that a text message cannot have without half of its length: names have them.
WIDEST = "Ł"
_NUMBER = (int, float)
_KINDS = (str, *_NUMBER, list, dict)


def misfit(value: Any, example: Any, place: str) -> str | None:
    """What makes a value another thing than the example, by its place such as `data.items[0].name`; None if nothing.

    A list has items as one of the example's, an object has all that the example has and may have more. Text can be
    given as a number. Nothing is empty.
    """
    is_number = isinstance(value, _NUMBER) and isinstance(example, (*_NUMBER, str)) and not isinstance(value, bool)
    if value is None or value in ("", [], {}):
        return f"{place} is empty"
    if is_number and not isinstance(example, bool):
        return None
    if type(value) is not type(example):
        return f"{place} is not what the template's example is: {type(example).__name__}"
    return next(_misfits_within(value, example, place), None)


def _misfits_within(value: Any, example: Any, place: str) -> Iterator[str]:
    if isinstance(example, list):
        for number, item in enumerate(value):
            found = [misfit(item, one, f"{place}[{number}]") for one in example]
            if None not in found:
                yield str(found[0])
    if isinstance(example, dict):
        for name, one in example.items():
            if name not in value:
                yield f"{place}.{name} is missing"
            elif wrong := misfit(value[name], one, f"{place}.{name}"):
                yield wrong


def unclear(need: Need) -> str | None:
    """Why nobody can tell from the example what the longest value looks like; None if it is clear."""
    if isinstance(need.example, list | dict):
        if not _is_full(need.example):
            return "the example has something empty, so that nobody knows what is sent there"
        if (size := _written(need.example)) > need.longest:
            return f"the example has {size:,} characters as JSON, but `longest` is {need.longest:,}"
    return None


def _is_full(example: Any) -> bool:
    """Whether an example says of each of its values what it is."""
    if isinstance(example, list | dict):
        return bool(example) and all(_is_full(one) for one in _inner(example))
    return isinstance(example, _KINDS) and example != ""


def longest_of(need: Need) -> Sequence[Any]:
    """The longest values: text that is long; of a list, many short items too, and of an object, each of its texts."""
    example = need.example
    if isinstance(example, str):
        return [_padded(example, need.longest)]
    if not isinstance(example, list | dict):
        return [example]
    many = [_many(example, need.longest)] if isinstance(example, list) else []
    shortest = [_shortest(example[0])] if isinstance(example, list) else _shortest(example)
    return [*many, *_with_long_texts(shortest, need.longest - _written(shortest))] or [example]


def _many(example: list[Any], longest: int) -> list[Any]:
    items: list[Any] = []
    size = len("[]")
    kinds = [_shortest(one) for one in example]
    while size + _written(kind := kinds[len(items) % len(kinds)]) <= longest:
        items.append(kind)
        size += _written(kind) + len(", ")
    return items


def _shortest(example: Any) -> Any:
    match example:
        case str():
            return _padded(example, 0)
        case list():
            return [_shortest(example[0])]
        case dict():
            return {name: _shortest(one) for name, one in example.items()}
    return example


def _with_long_texts(value: Any, room: int) -> Iterator[Any]:
    """The value with one of its texts longer, for each of them."""
    match value:
        case str():
            yield value + WIDEST * room
        case list():
            for number, one in enumerate(value):
                yield from ([*value[:number], longer, *value[number + 1 :]] for longer in _with_long_texts(one, room))
        case dict():
            for name, one in value.items():
                yield from ({**value, name: longer} for longer in _with_long_texts(one, room))


def _padded(example: str, length: int) -> str:
    """Text of a length, or the shortest that there is; of a link, one that is a link still."""
    link = re.match(r"https?://", example)
    start = link[0] if link else ""
    return start + WIDEST * max(length - len(start), 1)


def _inner(example: list[Any] | dict[str, Any]) -> Sequence[Any]:
    return list(example.values()) if isinstance(example, dict) else example


def _written(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str))
