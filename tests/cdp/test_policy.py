"""The policy file: what is valid, and how errors are reported."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from cdp.decision.policy import Policy, QuietHours, load_policy
from cdp.errors import ConfigurationError
from cdp.settings import DATA

SHIPPED = DATA / "policy.yaml"


def test_the_shipped_policy_has_quiet_nights_and_requires_consent() -> None:
    policy = load_policy(SHIPPED)
    assert set(policy.quiet_hours) == {"sms", "push"}
    assert {(hours.starts_at, hours.ends_at) for hours in policy.quiet_hours.values()} == {(time(21), time(8))}
    marketing, transactional = policy.purposes["marketing"], policy.purposes["transactional"]
    assert (marketing.needs_consent, marketing.is_capped) == (True, True)
    assert (transactional.needs_consent, transactional.is_capped) == (False, False)


def test_a_policy_can_be_read_back_from_its_document() -> None:
    policy = load_policy(SHIPPED)
    again = Policy.model_validate_json(policy.document)
    assert again == policy
    assert again.digest == policy.digest


def test_a_change_without_a_new_version_has_another_digest(tmp_path: Path) -> None:
    changed = tmp_path / "policy.yaml"
    changed.write_text(SHIPPED.read_text().replace("half_life_days: null", "half_life_days: 61"))
    assert load_policy(changed).version == load_policy(SHIPPED).version
    assert load_policy(changed).digest != load_policy(SHIPPED).digest


WRONG = [
    # text of the shipped file, its replacement, the field the error names, part of its message
    ('sms: {from: "21:00", until', "sms: {from: 21:00, until", "quiet_hours.sms.from", "in quotes"),
    ('sms: {from: "21:00", until', 'sms: {from: "25:00", until', "quiet_hours.sms.from", "time"),
    ('sms: {from: "21:00", until: "08:00"}', 'sms: {from: "8:00", until: "8:00"}', "quiet_hours.sms", ""),
    ('sms: {from: "21:00", until: "08:00"}', 'sms: {from: "21:00"}', "quiet_hours.sms.until", "Field required"),
    ("sms: {per_day: 1,", "fax: {per_day: 1,", "frequency_caps.fax", "email|sms|push|whatsapp"),
    ("sms: {per_day: 1,", "sms: {per_day: 0,", "frequency_caps.sms.per_day", "greater than"),
    ("sms: {per_day: 1,", "sms: {per_hour: 1,", "frequency_caps.sms.per_hour", "not permitted"),
    ("half_life_days: null", "half_life_days: a while", "scores.half_life_days", "valid number"),
    ("unknown_rate: 0.05", "unknown_rate: 5", "scores.unknown_rate", "less than 1"),
    ("timezone_unknown: UTC", "timezone_unknown: Mars", "timezone_unknown", "Europe/Zurich"),
    ("high: 1}", "high: 0}", "delay_halves_score_after_hours.high", "greater than 0"),
    ("when: failed", "when: bored", "fallbacks.sms.when", "not_delivered"),
    ('version: "1"', "version: 1", "version", "valid string"),
    ('version: "1"\n', "", "version", "Field required"),
    ("  opt_out_reaches: {}", "  opt_out_reaches: {fax: []}", "consent.opt_out_reaches.fax", "email"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "field", "says"), WRONG, ids=[row[1] for row in WRONG])
def test_an_error_names_file_line_field_and_what_to_do(
    tmp_path: Path, right: str, wrong: str, field: str, says: str
) -> None:
    text = SHIPPED.read_text()
    assert right in text
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_policy(path)
    line = text[: text.index(right)].count("\n") + 1 if wrong else 1
    assert caught.value.where == f"{path}:{line}"
    assert field in caught.value.line()
    assert says in caught.value.line()
    assert "data/policy.yaml" in caught.value.line()
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("content", [b"", b"- a list", b"just words", b"version: [", b"\xff\xfe\x00", None])
def test_an_invalid_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_policy(path)
    assert "policy" in caught.value.line()


SPANS = [
    ("21:00", "08:00", {"20:59:59": False, "21:00": True, "00:00": True, "07:59:59": True, "08:00": False}),
    ("00:00", "06:00", {"23:59:59": False, "00:00": True, "05:59:59": True, "06:00": False}),
    ("22:00", "00:00", {"21:59:59": False, "22:00": True, "23:59:59": True, "00:00": False}),
]


@pytest.mark.parametrize(("starts", "ends", "moments"), SPANS)
def test_quiet_hours_include_their_start_and_exclude_their_end(
    starts: str, ends: str, moments: dict[str, bool]
) -> None:
    hours = QuietHours(starts_at=time.fromisoformat(starts), ends_at=time.fromisoformat(ends))
    assert {moment: hours.hold_at(time.fromisoformat(moment)) for moment in moments} == moments
    assert {moment: hours.complement.hold_at(time.fromisoformat(moment)) for moment in moments} == {
        moment: not held for moment, held in moments.items()
    }
