"""JSON text from outside, read so that one bad value does not sink what came with it.

Such a value is nested too deeply, is an integer too long for Python, or has bytes that are no text.

Parsers recurse: Python's refuses a whole text beyond some depth, which differs between versions and callers, and
DuckDB's `json_merge_patch` overflows the stack. So no record deeper than `MAX_DEPTH` is mapped
(`cdp/conform/sql/too_deep.sql`), and what is deeper still is not even parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

# Of a record: the deepest that any provider sends has ten levels.
MAX_DEPTH = 100
# What lies deeper in a text stays text, so that a record that holds it is still too deep, whatever the record came in.
_PARSED_DEPTH = 2 * MAX_DEPTH
# Looking for it takes a microsecond a bracket, and anybody may send some: no text that is worth it has so many.
_MOST_BRACKETS = 200_000

# The next bracket outside of strings, or the end. Possessive, and always a match: no text may take quadratic time.
_BRACKET = re.compile(r'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?+)*+([\[\]{}]|\Z)', re.DOTALL)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text. What lies beyond some 200 levels is left as text, as are integers of over 4,300 digits.

    As by `json.loads`, NaN and Infinity are numbers.

    Raises:
        ValueError: it is not JSON, or its bytes are not UTF-8.
    """
    try:
        return from_json(text)
    except ValueError:  # not JSON, lone surrogates, an integer that is too long, or too deep
        decoded = text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")
        return json.loads(shallow(decoded), parse_int=_integer)


def repaired(body: bytes) -> str:
    """The JSON text of a body of many records, in which bytes that are no text have become U+FFFD.

    So one can see which record is damaged, and its fellows are not lost with it.
    """
    return body.decode(json.detect_encoding(body), "replace")


def shallow(text: str) -> str:
    """JSON text in which what is nested too deeply to be parsed has become a string.

    Raises:
        ValueError: it has too many brackets to look at each.
    """
    if not may_be_deep(text, _PARSED_DEPTH):
        return text
    if may_be_deep(text, _MOST_BRACKETS):
        raise ValueError("too many brackets")
    return "".join(_cut(text))


def may_be_deep(text: str, depth: int = MAX_DEPTH) -> bool:
    """Whether a text has so many brackets that it could be deeper than this: a cheap test, which few records pass."""
    return text.count("{") + text.count("[") > depth


def depth_of(value: Any) -> int:
    """How many lists and objects of a parsed value are within one another."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        depth += 1
        level = [child for one in level for child in (one.values() if isinstance(one, dict) else one)]
    return depth


def _integer(digits: str) -> int | str:
    """An integer, or its text: Python reads none of more than some thousand digits, which would take quadratic time."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _cut(text: str) -> Iterator[str]:
    depth, done, begun = 0, 0, 0
    for found in _BRACKET.finditer(text):
        if found[1] in ("{", "["):
            depth += 1
            if depth == _PARSED_DEPTH + 1:
                begun = found.start(1)
        elif found[1]:
            if depth == _PARSED_DEPTH + 1:
                yield text[done:begun]
                yield json.dumps(text[begun : found.end()])
                done = found.end()
            depth -= 1
    # A text that ends in the middle is no JSON, however deep it is there.
    yield text[done : begun if depth > _PARSED_DEPTH else None]
