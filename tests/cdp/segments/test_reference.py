"""The reference page of rules is accurate: each example loads, runs and has the wording shown below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdp import segments
from cdp.segments import Catalogue, in_words, load_catalogue, parse_catalogue
from cdp.segments.rules import AGGREGATES, FORMS, Comparison
from cdp.settings import DATA
from cdp.warehouse import Warehouse
from tests.cdp.segments.people import Human, did, explained, fill, run, warehouse

PAGE = (Path(segments.__file__).parent / "reference.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n([^`]*)^```\n> ([^\n]*)$", PAGE, re.MULTILINE)
PEOPLE = {
    "ann": Human({"order_count": 3, "country": "CH", "currency": "EUR"}, {"city": "Bern"}, {}, (did("ordered"),)),
    "ben": Human({}, {}, {"sms": (True, "granted", False)}, (did("clicked", channel="sms"),)),
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Warehouse]:
    made = warehouse()
    fill(made, PEOPLE)
    yield made
    made.close()


def catalogue_with(rule: Any) -> Catalogue:
    """A catalogue with the segments that the page refers to, and one with the rule."""
    named = {
        "big_spender": {"field": "order_value", "at_least": 500},
        "unreachable": {"channel": "sms", "reachable": False},
    }
    entries = [{"name": name, "title": name, "rule": one} for name, one in {**named, "it": rule}.items()]
    return parse_catalogue(yaml.safe_dump({"version": 1, "segments": entries}), "reference.md")


@pytest.mark.parametrize(("text", "words"), EXAMPLES, ids=[words for _, words in EXAMPLES])
def test_an_example_runs_and_has_the_wording_below_it(shared: Warehouse, text: str, words: str) -> None:
    catalogue = catalogue_with(yaml.safe_load(text))
    assert in_words(catalogue.segments[-1].rule) == words
    assert run(shared, catalogue) == explained(shared, PEOPLE, catalogue)


def test_every_form_and_every_key_has_an_example() -> None:
    shown = {key for text, _ in EXAMPLES for key in re.findall(r"[\w]+(?=:)", text)}
    keys = {name for form in FORMS.values() for name in form.model_fields}
    assert keys | {*FORMS, *AGGREGATES, *Comparison.operators(), "first", "then", "then_not"} <= shown


def test_the_full_catalogue_on_the_page_loads() -> None:
    whole = re.search(r"^```yaml\n(version[^`]*)^```", PAGE, re.MULTILINE)
    assert whole
    assert parse_catalogue(whole[1], "reference.md").segments == tuple(
        segment for segment in load_catalogue(DATA / "segments.yaml").segments if segment.name == "big_spender"
    )
