"""The linkage model as one declaration: comparisons, their agreement levels and the blocking keys.

Edit comparisons, blocking keys and thresholds here. The trained parameters (how often each level occurs among
matches, `m`, and among non-matches, `u`) are in `model.json`, to be reviewed, not edited. The records compared are
super-records: the most frequent names, date of birth and address of an exact component, and all of its e-mails and
phones (`sql/component_records.sql`). The functions used in the SQL are macros (`sql/likeness.sql`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cdp.errors import IdentityError

SHIPPED = Path(__file__).parent / "model.json"

# Training sets the threshold so that at most this share of the joined pairs is expected to be wrong, within bounds:
# a pair that is less likely than not is never joined, a nearly certain one always is.
MAX_WRONG_LINKS = 0.01
LOWEST_THRESHOLD = 0.5
HIGHEST_THRESHOLD = 0.97
# Pairs between this probability and the threshold are doubtful: they go to the stewards' review queue.
REVIEW_PROBABILITY = 0.2


@dataclass(frozen=True)
class Level:
    """An agreement level: its name in charts and parameters, and its SQL condition over a pair (`_l`, `_r`)."""

    name: str
    sql: str


@dataclass(frozen=True)
class Comparison:
    """A field's agreement levels, strongest first. Where `missing` holds, the field is not evidence either way."""

    name: str
    missing: str
    levels: tuple[Level, ...]


def _missing(column: str) -> str:
    return f"{column}_l is null or {column}_r is null"


_CROSSED = "crossed(given_name_l, surname_l, given_name_r, surname_r)"
_SAME_SURNAME = f"(surname_l = surname_r or typo(surname_l, surname_r) or {_CROSSED})"
_SAME_PLACE = "same_place(postcode_l, city_l, postcode_r, city_r)"
_SAME_HOME = f"(same_house(street_l, house_number_l, street_r, house_number_r) and {_SAME_PLACE})"
_NO_ADDRESS = f"({_missing('street')}) and ({_missing('postcode')}) and ({_missing('city')})"
_NO_EMAIL = "len(emails_l) = 0 or len(emails_r) = 0"
_SHARED_EMAIL = "list_has_any(emails_l, emails_r)"
_ONLY_NAMES = f"len(mailbox_cores_l) = 0 and len(mailbox_cores_r) = 0 and not {_SHARED_EMAIL}"

COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "given_name",
        _missing("given_name"),
        (
            Level("equal", "given_name_l = given_name_r"),
            Level("swapped", _CROSSED),
            Level("nickname", "list_has_any(given_forms_l, given_forms_r)"),
            Level("typo", "typo(given_name_l, given_name_r)"),
            Level(
                "initial", "least(length(given_name_l), length(given_name_r)) = 1 and given_name_l[1] = given_name_r[1]"
            ),
            Level("alike", "jaro_winkler_similarity(given_name_l, given_name_r) >= 0.8"),
            Level("different", "ELSE"),
        ),
    ),
    # Families share surname and address, so agreement in both is one piece of evidence, weighed here.
    Comparison(
        "surname",
        _missing("surname"),
        (
            Level("equal_at_home", f"{_SAME_HOME} and {_SAME_SURNAME}"),
            Level("equal", f"surname_l = surname_r or {_CROSSED}"),
            Level("typo", "typo(surname_l, surname_r)"),
            Level("alike", "jaro_winkler_similarity(surname_l, surname_r) >= 0.8"),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "date_of_birth",
        _missing("date_of_birth"),
        (
            Level("equal", "date_of_birth_l = date_of_birth_r"),
            Level("typo", "misspelt(date_of_birth_l, date_of_birth_r, 1)"),
            Level("two_parts_equal", "date_parts_equal(date_of_birth_l, date_of_birth_r) = 2"),
            Level("near", "abs(date_diff('day', date_of_birth_l::date, date_of_birth_r::date)) <= 400"),
            Level("one_part_equal", "date_parts_equal(date_of_birth_l, date_of_birth_r) = 1"),
            Level("different", "ELSE"),
        ),
    ),
    # Two addresses made up only of names are alike because the names are, and those are weighed already.
    Comparison(
        "email",
        f"{_NO_EMAIL} or ({_ONLY_NAMES})",
        (
            Level("shared", _SHARED_EMAIL),
            Level("typo", "mailbox_numbers_l[1] = mailbox_numbers_r[1] and misspelt(emails_l[1], emails_r[1], 2)"),
            Level("number_typo", "misspelt(emails_l[1], emails_r[1], 1)"),
            # A birth year or a lucky number that people keep when they change providers.
            Level("same_core", "list_has_any(mailbox_cores_l, mailbox_cores_r)"),
            Level(
                "garbled",
                "mailbox_numbers_l[1] = mailbox_numbers_r[1] "
                "and jaro_winkler_similarity(emails_l[1], emails_r[1]) >= 0.9",
            ),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "phone",
        "len(phones_l) = 0 or len(phones_r) = 0",
        (
            Level("shared", "list_has_any(phones_l, phones_r)"),
            Level("typo", "misspelt(phones_l[1], phones_r[1], 1)"),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "address",
        f"({_NO_ADDRESS}) or surely({_SAME_HOME} and {_SAME_SURNAME})",
        (
            Level("same_house", _SAME_HOME),
            Level("same_street", f"jaro_winkler_similarity(street_name_l, street_name_r) >= 0.92 and {_SAME_PLACE}"),
            Level("postcode_and_city", "postcode_l = postcode_r and city_l = city_r"),
            Level("postcode", "postcode_l = postcode_r"),
            Level("city", "city_l = city_r"),
            Level("place_typo", _SAME_PLACE),
            Level("street_elsewhere", "street_l = street_r"),
            Level("different", "ELSE"),
        ),
    ),
)

# Pairs that agree on one of these keys are scored. Each key is SQL over a super-record that returns a list; null
# matches nothing. First and last name may be swapped, so most keys use both.
BLOCKING_KEYS: dict[str, str] = {
    "names": "[least(given_name, surname) || '|' || greatest(given_name, surname)]",
    "name_starts": "[least(given_name[:4], surname[:4]) || '|' || greatest(given_name[:4], surname[:4])]",
    "birthday_and_initial": "[date_of_birth || '|' || given_name[1], date_of_birth || '|' || surname[1]]",
    "birthday_and_place": "[date_of_birth || '|' || postcode, date_of_birth || '|' || city[:4]]",
    "birth_month_and_name": "[date_of_birth[:7] || '|' || given_name, date_of_birth[:7] || '|' || surname]",
    "birth_day_and_name": "[date_of_birth[6:] || '|' || given_name, date_of_birth[6:] || '|' || surname]",
    "birth_year_initials_and_city": "[date_of_birth[:4] || '|' || least(given_name[1], surname[1]) "
    "|| greatest(given_name[1], surname[1]) || city[1]]",
    "name_and_postcode": "[given_name || '|' || postcode, surname || '|' || postcode]",
    "name_and_street": "[given_name || '|' || street, surname || '|' || street]",
    "name_start_and_city": "[given_name[:4] || '|' || city[:5], surname[:4] || '|' || city[:5]]",
    "street_and_place": "[street || '|' || postcode, street || '|' || city]",
    "house_and_postcode": "[house_number || '|' || postcode || '|' || street[:6]]",
    "mailbox": "mailboxes",
    "mailbox_start": "list_transform(emails, lambda e: e[:6])",
    "provider": "list_transform(emails, lambda e: split_part(e, '@', 2))",
    "mailbox_number_and_provider": "list_transform(emails, lambda e: case when regexp_matches(e, '[0-9]{2}.*@') "
    "then regexp_replace(split_part(e, '@', 1), '[^0-9]', '', 'g') || '|' || split_part(e, '@', 2) end)",
    "phone": "list_concat(list_transform(phones, lambda p: p[:-3]), list_transform(phones, lambda p: p[-7:]))",
}

# A block with more super-records than this is skipped: its key says too little, and its pairs grow quadratically.
MAX_BLOCK_SIZE = 60


@dataclass(frozen=True)
class Model:
    """Trained parameters. `match_rate` is the probability that two random super-records are one person, `threshold`
    the probability at and above which two are joined unless a constraint forbids it; `levels` maps comparison and
    level to (m, u); `training` documents the training data."""

    version: str
    match_rate: float
    threshold: float
    levels: Mapping[str, Mapping[str, tuple[float, float]]]
    training: Mapping[str, Any] = field(default_factory=dict)


def load_model(path: Path = SHIPPED) -> Model:
    """Read trained parameters.

    Raises:
        IdentityError: the file is not a model, or does not match the comparisons declared here.
    """
    try:
        content = json.loads(path.read_text())
        model = Model(
            version=str(content["version"]),
            match_rate=float(content["match_rate"]),
            threshold=float(content["threshold"]),
            levels={
                comparison: {level: (float(m), float(u)) for level, (m, u) in levels.items()}
                for comparison, levels in content["levels"].items()
            },
            training=dict(content.get("training", {})),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IdentityError(f"not a linkage model: {error!r}", where=str(path)) from error
    _check(model, path)
    return model


def save_model(model: Model, path: Path) -> None:
    """Write a model in the format that `load_model` reads."""
    path.write_text(json.dumps(asdict(model), indent=1) + "\n")


def _check(model: Model, path: Path) -> None:
    if not (0 < model.match_rate < 1 and 0 < model.threshold < 1):
        raise IdentityError("match_rate or threshold is not a probability", where=str(path))
    for comparison in COMPARISONS:
        levels = model.levels.get(comparison.name, {})
        if set(levels) != {level.name for level in comparison.levels}:
            raise IdentityError(
                f"the levels do not match the comparison {comparison.name}",
                where=str(path),
                hint="Retrain the model after changing comparisons",
            )
        if not all(0 < share <= 1 for pair in levels.values() for share in pair):
            raise IdentityError(f"a parameter of {comparison.name} is not a probability", where=str(path))
