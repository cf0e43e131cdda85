"""An invalid catalogue is refused with file, line and field."""

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
    """A catalogue of one segment, with its rule on line 5."""
    return f"version: 1\nsegments:\n  - name: it\n    title: It\n    rule: {rule}\n"


def test_the_shipped_catalogue_loads_and_has_wording() -> None:
    shipped = load_catalogue(DATA / "segments.yaml")
    assert all(in_words(segment.rule) for segment in shipped.segments)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{field: shoe_size, at_least: 1}", "rule.field: unknown field shoe_size"),
        ("{field: order_count}", "rule: exactly one of equals, one_of"),
        ("{field: order_count, at_least: 1, at_most: 2}", "rule: exactly one of equals, one_of"),
        ("{field: city, equals: null}", "rule: exactly one of equals, one_of"),
        ("{field: order_count, atleast: 1}", "rule.atleast: unknown key"),
        ("{fields: order_count, at_least: 1}", "rule: a rule must have one of the keys all_of, any_of"),
        ("just words", "rule: a rule must have one of the keys"),
        ("{all_of: []}", "rule.all_of: Tuple should have at least 1 item"),
        ("{all_of: [{field: x, at_least: 1}], any_of: []}", "rule.any_of: unknown key"),
        # Wrong types.
        ("{field: city, at_least: 1}", "rule.at_least: at_least does not apply to city, which is text"),
        ("{field: city, equals: 5}", "rule.equals: city cannot be compared with 5: it is text"),
        ("{field: country, equals: no}", "with false: it is text; write words such as no"),
        ("{field: order_count, equals: many}", "order_count cannot be compared with 'many': it is a number"),
        ("{field: order_count, one_of: [1, true]}", "order_count cannot be compared with true"),
        ("{field: order_count, within_days: 3}", "rule.within_days: within_days does not apply to order_count"),
        ("{field: last_order_at, at_least: 3}", "rule.at_least: at_least does not apply to last_order_at"),
        ("{field: email_reachable, equals: maybe}", "email_reachable cannot be compared with 'maybe'"),
        ("{field: email_consent, equals: grantet}", "email_consent is never grantet; use granted"),
        ("{field: order_count, at_least: '2'}", "rule.at_least: Input should be a valid number"),
        ("{field: order_count, at_least: .nan}", "rule.at_least: Input should be a finite number"),
        ("{field: last_order_at, within_days: 1.5}", "rule.within_days: Input should be a valid integer"),
        ("{event: bought}", "rule.event.0: unknown event type bought; use queued"),
        ("{event: ordered, channel: fax}", "rule.channel: unknown channel fax"),
        ("{event: ordered, count: 3}", "rule.count: must be a mapping"),
        ("{event: ordered, count: {at_least: 0}}", "rule.count.at_least: Input should be greater than or equal to 1"),
        ("{event: ordered, where: {colour: {is: red}}}", "rule.where.colour.0"),
        ("{event: ordered, count: {at_least: 1}, sum: {at_least: 1}}", "rule: only one of count, sum, last, first"),
        ("{event: ordered, currency: EUR}", "rule: currency requires sum"),
        ("{event: ordered, sum: {at_least: 5}, currency: euro}", "rule.currency: String should match"),
        ("{channel: web, reachable: true}", "rule.channel: unknown message channel web"),
        ("{channel: sms, reachable: true, consent: granted}", "rule: exactly one of reachable, consent"),
        ("{channel: sms, consent: yes}", "rule.consent.0: Input should be a valid string"),
        ("{sequence: {first: {event: viewed}, within_days: 3}}", "rule.sequence: exactly one of then, then_not"),
        # Impossible windows.
        ("{field: last_order_at, within_days: 0}", "rule.within_days: Input should be greater than or equal to 1"),
        ("{field: last_order_at, within_days: 99999999}", "rule.within_days: Input should be less than or equal to"),
        ("{field: last_order_at, within_days: 7, before_days: 7}", "rule.before_days: impossible window: nothing"),
        ("{field: last_order_at, not_within_days: 7, before_days: 3}", "rule.before_days: before_days requires"),
        ("{event: ordered, within_days: 7, before_days: 30}", "rule.before_days: impossible window"),
        ("{event: ordered, before_days: 30, last: {within_days: 7}}", "rule.last: impossible window"),
        (
            "{sequence: {first: {event: viewed, within_days: 2}, then_not: {event: ordered}, within_days: 2}}",
            "rule.sequence.within_days: impossible window",
        ),
        # Other segments.
        ("{segment: that}", "rule.segment: unknown segment that"),
        ("{none_of: [{segment: it}]}", "rule.none_of.0.segment: circular definition: it → it"),
    ],
)
def test_an_invalid_rule_is_refused(rule: str, says: str) -> None:
    assert refusal(one(rule)).startswith("segments.yaml:5: segment it: ")
    assert says in refusal(one(rule))


def test_an_error_names_the_line_of_the_field() -> None:
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
        "segments.yaml:15: segment wrong: rule.all_of.0.any_of.1.before_days: impossible window"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("segments: ]", "segments.yaml:1: not YAML: "),
        ("version: 1\nsegments:\n  - {name: a\n", "segments.yaml:4: not YAML: "),
        ("", "segments.yaml:1: the catalogue: "),
        ("- a\n- b\n", "segments.yaml:1: the catalogue: "),
        ("version: 2\nsegments: []\n", "segments.yaml:1: version: Input should be 1"),
        ("version: 1\nsegments: []\nowner: me\n", "segments.yaml:3: owner: unknown key"),
        ("version: 1\nsegments:\n  - {name: A b, title: x, rule: {}}\n", "segments.yaml:3: segment A b: name: "),
        ("version: 1\nsegments:\n  - name: a\n    name: b\n", "segments.yaml:4: name: duplicate key"),
        ("version: 1\nsegments:\n  - name: a\n    titel: A\n", "segments.yaml:4: segment a: titel: unknown key"),
        ("version: 1\nsegments:\n  - name: a\n    title: A\n", "segments.yaml:3: segment a: rule: is missing"),
        ("version: 1\nsegments: {a: b}\n", "segments.yaml:2: segments: must be a list"),
        ("version: 1\nsegments: &all\n  - *all\n", "segments.yaml:2: segment 1: must be a mapping"),
        ("version: 1\nsegments: [2026-02-30]\n", "segments.yaml: invalid YAML: "),
        pytest.param("a: " + "[" * 3000, "segments.yaml: invalid YAML: ", marks=pytest.mark.slow),
        ("version: !!python/object:os.system 1\n", "segments.yaml:1: not YAML: "),
    ],
)  # fmt: skip
def test_an_invalid_file_is_refused(text: str, says: str) -> None:
    assert refusal(text).startswith(says)


RULE = "rule: {field: order_count, at_least: 1}"


def test_duplicate_segment_names_are_refused() -> None:
    text = f"""\
        version: 1
        segments:
          - {{name: a, title: A, {RULE}}}
          - {{name: b, title: B, {RULE}}}
          - {{name: a, title: C, {RULE}}}
        """
    assert refusal(text).startswith("segments.yaml:5: segment a: name: duplicate segment name a")


def test_a_circular_definition_is_shown_in_full() -> None:
    text = """\
        version: 1
        segments:
          - {name: a, title: A, rule: {segment: b}}
          - {name: b, title: B, rule: {any_of: [{field: order_count, at_least: 1}, {segment: c}]}}
          - {name: c, title: C, rule: {segment: b}}
        """
    assert "segments.yaml:4: segment b: rule.any_of.1.segment: circular definition: b → c → b" in refusal(text)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"version: 1 # \xe9\n")
    for name in ("missing.yaml", "latin.yaml", "."):
        with pytest.raises(ConfigurationError, match="cannot read the segment catalogue"):
            load_catalogue(tmp_path / name)


def test_a_catalogue_may_use_a_segment_before_it_is_defined() -> None:
    text = f"version: 1\nsegments:\n- {{name: a, title: A, rule: {{segment: b}}}}\n- {{name: b, title: B, {RULE}}}\n"
    assert [segment.name for segment in parse_catalogue(text, "x").segments] == ["a", "b"]
