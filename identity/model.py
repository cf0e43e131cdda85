"""The linkage model, as one declaration: what is compared, what counts as alike, which pairs are looked at.

Edit comparisons, blocking rules and thresholds here; the trained parameters (how often each level occurs
among matches, `m`, and among other pairs, `u`) stand in `model.json`, to be reviewed, not edited. The records
compared are super-records: an exact component's most frequent names, date of birth and address, and all of
its e-mails and phones (`sql/super_records.sql`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cdp.errors import IdentityError

SHIPPED = Path(__file__).parent / "model.json"

# Below this probability two super-records stay apart. High, because a wrong merge greets a stranger by
# somebody else's name, while a missed one sends an offer twice.
MATCH_PROBABILITY = 0.99


@dataclass(frozen=True)
class Level:
    """A degree of likeness: a name for charts and parameters, and its SQL over a pair (`_l`, `_r`)."""

    name: str
    sql: str


@dataclass(frozen=True)
class Comparison:
    """A field's degrees of likeness, strongest first. Where `missing` holds, the field says nothing."""

    name: str
    missing: str
    levels: tuple[Level, ...]


def _missing(column: str) -> str:
    return f"{column}_l is null or {column}_r is null"


COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "given_name",
        _missing("given_name"),
        (
            Level("equal", "given_name_l = given_name_r"),
            Level("nickname", "list_has_any(given_forms_l, given_forms_r)"),
            Level("typo", "jaro_winkler_similarity(given_name_l, given_name_r) >= 0.9"),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "surname",
        _missing("surname"),
        (
            Level("equal", "surname_l = surname_r"),
            Level("typo", "jaro_winkler_similarity(surname_l, surname_r) >= 0.9"),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "date_of_birth",
        _missing("date_of_birth"),
        (
            Level("equal", "date_of_birth_l = date_of_birth_r"),
            Level("typo", "damerau_levenshtein(date_of_birth_l, date_of_birth_r) <= 1"),
            Level("two_parts_equal", "date_parts_equal(date_of_birth_l, date_of_birth_r) = 2"),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "email",
        "len(emails_l) = 0 or len(emails_r) = 0",
        (
            Level("shared", "list_has_any(emails_l, emails_r)"),
            Level("same_mailbox_name", "list_has_any(mailbox_names_l, mailbox_names_r)"),
            Level("typo", "levenshtein(emails_l[1], emails_r[1]) <= 2"),
            # A birth year or a lucky number that goes along from one provider to the next.
            Level("same_number", "length(mailbox_numbers_l[1]) >= 4 and mailbox_numbers_l[1] = mailbox_numbers_r[1]"),
            # Two addresses made of one name are alike because of the name, which is weighed already.
            Level("alike", "jaro_winkler_similarity(mailbox_names_l[1], mailbox_names_r[1]) >= 0.85"),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "phone",
        "len(phones_l) = 0 or len(phones_r) = 0",
        (
            Level("shared", "list_has_any(phones_l, phones_r)"),
            Level("typo", "levenshtein(phones_l[1], phones_r[1]) <= 1"),
            Level("different", "ELSE"),
        ),
    ),
    Comparison(
        "address",
        "coalesce(street_l, postcode_l, city_l) is null or coalesce(street_r, postcode_r, city_r) is null",
        (
            Level("equal", "street_l = street_r and (postcode_l = postcode_r or city_l = city_r)"),
            Level(
                "street_typo",
                "jaro_winkler_similarity(street_l, street_r) >= 0.9 and house_number_l = house_number_r "
                "and (postcode_l = postcode_r or city_l = city_r)",
            ),
            Level("same_postcode", "postcode_l = postcode_r"),
            Level("same_city", "city_l = city_r"),
            Level("different", "ELSE"),
        ),
    ),
)

# Pairs that agree on one of these keys are scored. Each is SQL over a super-record; a null agrees with nothing.
BLOCKING_KEYS: dict[str, str] = {
    "name": "given_name || '|' || surname",
    "name_swapped": "least(given_name, surname) || '|' || greatest(given_name, surname)",
    "birthday_and_surname": "date_of_birth || '|' || surname",
    "birthday_and_given_name": "date_of_birth || '|' || given_name",
    "birthday_and_postcode": "date_of_birth || '|' || postcode",
    "birthday_and_city": "date_of_birth || '|' || city",
    "birthday_and_initials": "date_of_birth || '|' || coalesce(given_name[1], '') || coalesce(surname[1], '')",
    "surname_and_postcode": "surname || '|' || postcode",
    "surname_and_street": "surname || '|' || street",
    "given_name_and_street": "given_name || '|' || street",
    "given_name_and_postcode": "given_name || '|' || postcode",
    "street_and_postcode": "street || '|' || postcode",
    "surname_city_and_initial": "surname || '|' || city || '|' || given_name[1]",
    "mailbox_name": "mailbox_names[1]",
    "mailbox_number_and_provider": "case when length(mailbox_numbers[1]) >= 2 then mailbox_numbers[1] || '|' "
    "|| split_part(emails[1], '@', 2) end",
}

# A key that more super-records have than this says too little: it is left out, and with it its square of pairs.
MAX_BLOCK_SIZE = 60


@dataclass(frozen=True)
class Model:
    """Trained parameters. `match_rate` is the chance that two random super-records are one person;
    `levels` maps comparison and level to (m, u)."""

    version: str
    match_rate: float
    levels: dict[str, dict[str, tuple[float, float]]]


def load_model(path: Path = SHIPPED) -> Model:
    """Read trained parameters.

    Raises:
        IdentityError: the file is not a model, or does not fit the comparisons declared here.
    """
    try:
        content = json.loads(path.read_text())
        model = Model(
            version=str(content["version"]),
            match_rate=float(content["match_rate"]),
            levels={
                comparison: {level: (float(m), float(u)) for level, (m, u) in levels.items()}
                for comparison, levels in content["levels"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IdentityError(f"not a linkage model: {error!r}", where=str(path)) from error
    for comparison in COMPARISONS:
        known = set(model.levels.get(comparison.name, {}))
        if known != {level.name for level in comparison.levels}:
            raise IdentityError(
                f"the model does not fit the comparison {comparison.name}",
                where=str(path),
                hint="Train it again after a change of comparisons",
            )
    return model
