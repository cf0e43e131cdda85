"""A catalogue that is wrong is refused with file, line and field."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from cdp.errors import ConfigurationError
from cdp.segments import in_words, load_catalogue, parse_catalogue
from cdp.settings import DATA


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_catalogue(dedent(text), "segments.yaml")
    assert caught.value.exit_code == 3
    assert "\n" not in caught.value.line()
    return caught.value.line()


def one(rule: str) -> str:
    """A catalogue of one segment, whose rule stands on line 5."""
    return f"version: 1\nsegments:\n  - name: it\n    title: It\n    rule: {rule}\n"


def test_what_is_shipped_can_be_read_and_said() -> None:
    shipped = load_catalogue(DATA / "segments.yaml")
    assert all(in_words(segment.rule) for segment in shipped.segments)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{field: shoe_size, at_least: 1}", "rule.field: unknown field shoe_size"),
        ("{field: order_count}", "rule: give exactly one comparison of"),
        ("{field: order_count, at_least: 1, at_most: 2}", "rule: give exactly one comparison of"),
        ("{field: city, equals: null}", "rule: give exactly one comparison of"),
        ("{field: order_count, atleast: 1}", "rule.atleast: there is no such key"),
        ("{fields: order_count, at_least: 1}", "rule: a rule has one of the keys all_of, any_of"),
        ("just words", "rule: a rule has one of the keys"),
        ("{all_of: []}", "rule.all_of: Tuple should have at least 1 item"),
        ("{all_of: [{field: x, at_least: 1}], any_of: []}", "rule.any_of: there is no such key"),
        # Wrong types.
        ("{field: city, at_least: 1}", "rule.at_least: city cannot be compared by at_least: it is a text"),
        ("{field: city, equals: 5}", "rule.equals: city cannot be compared by equals with 5: it is a text"),
        ("{field: country, equals: no}", "with false: it is a text; write words such as no"),
        ("{field: order_count, equals: many}", "order_count cannot be compared by equals with 'many': it is a number"),
        ("{field: order_count, one_of: [1, true]}", "order_count cannot be compared by one_of with true"),
        ("{field: order_count, within_days: 3}", "rule.within_days: order_count cannot be compared by within_days"),
        ("{field: last_order_at, at_least: 3}", "rule.at_least: last_order_at cannot be compared by at_least"),
        ("{field: email_reachable, equals: maybe}", "email_reachable cannot be compared by equals with 'maybe'"),
        ("{field: email_consent, equals: grantet}", "email_consent is never grantet; it is one of granted"),
        ("{field: order_count, at_least: '2'}", "rule.at_least: Input should be a valid number"),
        ("{field: order_count, at_least: .nan}", "rule.at_least: Input should be a finite number"),
        ("{field: last_order_at, within_days: 1.5}", "rule.within_days: Input should be a valid integer"),
        ("{event: bought}", "rule.event.0: there is no event type bought; there are queued"),
        ("{event: ordered, channel: fax}", "rule.channel: there is no channel fax"),
        ("{event: ordered, count: 3}", "rule.count: this should be a mapping"),
        ("{event: ordered, count: {at_least: 0}}", "rule.count.at_least: Input should be greater than or equal to 1"),
        ("{event: ordered, where: {colour: {is: red}}}", "rule.where.colour.0"),
        ("{event: ordered, count: {at_least: 1}, sum: {at_least: 1}}", "rule: compare one of count, sum, last, first"),
        ("{event: ordered, currency: EUR}", "rule: currency goes with sum"),
        ("{event: ordered, sum: {at_least: 5}, currency: euro}", "rule.currency: String should match"),
        ("{channel: web, reachable: true}", "rule.channel: there is no channel with addresses web"),
        ("{channel: sms, reachable: true, consent: granted}", "rule: give exactly one of reachable, consent"),
        ("{channel: sms, consent: yes}", "rule.consent.0: Input should be a valid string"),
        ("{sequence: {first: {event: viewed}, within_days: 3}}", "rule.sequence: give one of then, then_not"),
        # Impossible windows.
        ("{field: last_order_at, within_days: 0}", "rule.within_days: Input should be greater than or equal to 1"),
        ("{field: last_order_at, within_days: 99999999}", "rule.within_days: Input should be less than or equal to"),
        ("{field: last_order_at, within_days: 7, before_days: 7}", "rule.before_days: an impossible window: nothing"),
        ("{field: last_order_at, not_within_days: 7, before_days: 3}", "rule.before_days: before_days narrows"),
        ("{event: ordered, within_days: 7, before_days: 30}", "rule.before_days: an impossible window"),
        ("{event: ordered, before_days: 30, last: {within_days: 7}}", "rule.last: an impossible window"),
        (
            "{sequence: {first: {event: viewed, within_days: 2}, then_not: {event: ordered}, within_days: 2}}",
            "rule.sequence.within_days: an impossible window",
        ),
        # Other segments.
        ("{segment: that}", "rule.segment: there is no segment that"),
        ("{none_of: [{segment: it}]}", "rule.none_of.0.segment: the segment is defined by itself: it → it"),
    ],
)
def test_a_wrong_rule_is_refused(rule: str, says: str) -> None:
    assert refusal(one(rule)).startswith("segments.yaml:5: segment it: ")
    assert says in refusal(one(rule))


def test_the_line_is_that_of_the_field() -> None:
    text = """\
        version: 1
        segments:
          - name: fine
            title: Fine
            rule: {field: order_count, at_least: 1}
          - name: wrong
            title: Wrong
            rule:
              all_of:
                - any_of:
                    - field: order_count
                      at_least: 1
                    - event: ordered
                      within_days: 7
                      before_days: 9
        """
    assert refusal(text).startswith(
        "segments.yaml:15: segment wrong: rule.all_of.0.any_of.1.before_days: an impossible window"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("segments: [", "segments.yaml:1: not YAML: "),
        ("version: 1\nsegments:\n  - {name: a\n", "segments.yaml:4: not YAML: "),
        ("", "segments.yaml:1: the catalogue: "),
        ("- a\n- b\n", "segments.yaml:1: the catalogue: "),
        ("version: 2\nsegments: []\n", "segments.yaml:1: version: Input should be 1"),
        ("version: 1\nsegments: []\nowner: me\n", "segments.yaml:3: owner: there is no such key"),
        ("version: 1\nsegments:\n  - {name: A b, title: x, rule: {}}\n", "segments.yaml:3: segment A b: name: "),
        ("version: 1\nsegments:\n  - name: a\n    name: b\n", "segments.yaml:4: name: the same key stands here twice"),
        ("version: 1\nsegments:\n  - name: a\n    titel: A\n", "segments.yaml:4: segment a: titel: there is no such"),
        ("version: 1\nsegments:\n  - name: a\n    title: A\n", "segments.yaml:3: segment a: rule: is missing"),
        ("version: 1\nsegments: {a: b}\n", "segments.yaml:2: segments: this should be a list"),
        ("version: 1\nsegments: &all\n  - *all\n", "segments.yaml:2: segment 1: this should be a mapping"),
        ("version: 1\nsegments: [2026-02-30]\n", "segments.yaml: not YAML that can be read: "),
        ("a: " + "[" * 3000, "segments.yaml: not YAML that can be read: "),
        ("version: !!python/object:os.system 1\n", "segments.yaml:1: not YAML: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused(text: str, says: str) -> None:
    assert refusal(text).startswith(says)


RULE = "rule: {field: order_count, at_least: 1}"


def test_two_segments_of_one_name() -> None:
    text = f"""\
        version: 1
        segments:
          - {{name: a, title: A, {RULE}}}
          - {{name: b, title: B, {RULE}}}
          - {{name: a, title: C, {RULE}}}
        """
    assert refusal(text).startswith("segments.yaml:5: segment a: name: two segments are named a")


def test_a_circle_is_shown_whole() -> None:
    text = """\
        version: 1
        segments:
          - {name: a, title: A, rule: {segment: b}}
          - {name: b, title: B, rule: {any_of: [{field: order_count, at_least: 1}, {segment: c}]}}
          - {name: c, title: C, rule: {segment: b}}
        """
    assert "segments.yaml:4: segment b: rule.any_of.1.segment: the segment is defined by itself: b → c → b" in refusal(
        text
    )


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"version: 1 # \xe9\n")
    for name in ("missing.yaml", "latin.yaml", "."):
        with pytest.raises(ConfigurationError, match="cannot read the catalogue"):
            load_catalogue(tmp_path / name)


def test_a_catalogue_may_use_a_segment_before_it_is_defined() -> None:
    text = f"version: 1\nsegments:\n- {{name: a, title: A, rule: {{segment: b}}}}\n- {{name: b, title: B, {RULE}}}\n"
    assert [segment.name for segment in parse_catalogue(text, "x").segments] == ["a", "b"]
