"""JSON from outside is read whatever its depth: what is too deep is text then, and the rest is as it was."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.json_text import MAX_DEPTH, depth_of, loads, repaired, shallow
from cdp.warehouse import open_memory

LISTS = [depth * "[" + depth * "]" for depth in (201, 1_000, 90_000)]
OBJECTS = [depth * '{"a":' + '"x"' + depth * "}" for depth in (201, 1_000, 90_000)]


@pytest.mark.parametrize("deep", [*LISTS, *OBJECTS])
def test_what_is_too_deep_leaves_what_stands_beside_it_alone(deep: str) -> None:
    first, second, last = loads(f'[{{"text": "[[{{\\"}}"}}, {deep}, {{"n": 1}}]')
    assert (first, last) == ({"text": '[[{"}'}, {"n": 1})
    # Still deeper than any record may be, so that whoever reads on sees that it was.
    assert MAX_DEPTH < depth_of(second) <= 3 * MAX_DEPTH
    assert json.loads(json.dumps(second)) == second


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_other_json_is_read_as_by_the_standard_library(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert loads(text) == json.loads(text)
    assert loads(text.encode(errors="surrogatepass")) == json.loads(text)
    assert shallow(text) == text


def test_half_a_pair_an_infinite_number_and_nan_are_values() -> None:
    surrogate, nan, infinite = loads(b'["\\ud800", NaN, 1e400]')
    assert (surrogate, infinite) == ("\ud800", math.inf)
    assert math.isnan(nan)


def test_an_integer_that_python_does_not_read_is_text() -> None:
    long = "-" + "7" * 5_000
    assert loads(f'[1, {long}, {{"n": {long}}}, -2]') == [1, long, {"n": long}, -2]


def test_bytes_that_are_no_text_are_seen_where_they_stood() -> None:
    with pytest.raises(ValueError):
        loads(b'["a", "b\xff", "c"]')
    assert loads(repaired(b'["a", "b\xff", "\xc3\xa9"]')) == ["a", "b\ufffd", "é"]
    assert loads(repaired('["é"]'.encode("utf-8-sig"))) == ["é"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[" * 300, "[" * 300 + '"', '{"a":' * 1_000, "]" * 300 + "[" * 300, "\x00"),
        *("[" * 2_000_000, '{"a":' * 100_000, "[]" * 250 + '"' + '\\"' * 2_000_000, "[]" * 250 + "x" * 4_000_000),
    ],
    ids=range(11),
)
def test_what_is_no_json_is_said_soon(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(ValueError):
        loads(text)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}"), ('[0, {"[": "\\"", "b":', "}]")])
def test_the_warehouse_finds_the_same_depth(opening: str, closing: str) -> None:
    warehouse = open_memory()

    def is_too_deep(count: int) -> bool:
        text = opening * count + '"}]{[{[\\\\"' + closing * count
        return bool(warehouse.scalar("select is_nested_too_deeply($1)", [text]))

    levels = 1 + len(closing) // 2
    assert not is_too_deep(MAX_DEPTH // levels)
    assert is_too_deep(MAX_DEPTH // levels + 1)
    assert is_too_deep(50_000)
