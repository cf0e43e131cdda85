"""What is known of a person and how, and what to ask next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.fields import CORE_TRAITS
from cdp.people.questions import USES, next_questions, trait_status

LONDON, NEW_YORK, ZURICH = "+442079460000", "+12125550100", "+41446681800"
ALL = {
    **{"first_name": "Ann", "last_name": "Example", "email": "ann@x.example", "phone": ZURICH, "city": "Bern"},
    **{"date_of_birth": "1980-02-29", "street": "Gasse 1", "region": "BE", "postcode": "3011", "country": "CH"},
    **{"language": "de", "timezone": "Europe/Zurich"},
}


def document(reached: tuple[str, ...] = (), sources: dict[str, str] | None = None, **traits: str) -> dict[str, Any]:
    known = dict.fromkeys(CORE_TRAITS) | traits
    return {
        "traits": known,
        "trait_evidence": [
            {"trait": name, "value": value, "is_current": True, "source": (sources or {}).get(name, "crm")}
            for name, value in known.items()
            if value is not None
        ],
        "preferences": [{"channel": channel, "reachable": True} for channel in reached],
    }


def asked(*args: Any, **traits: str) -> list[str]:
    return [one["trait"] for one in next_questions(document(*args, **traits))]


@pytest.mark.parametrize(
    ("known", "reached", "first"),
    [
        ({}, (), ["email", "phone", "country"]),
        ({"email": "a@x.example"}, ("email",), ["phone", "country", "timezone"]),
        # A phone number implies the country, and the time zone if there is only one.
        ({"phone": ZURICH}, ("sms",), ["email", "language", "first_name"]),
        ({"phone": "+80012345678"}, ("sms",), ["email", "country", "timezone"]),
        ({"email": "a@x.example", "phone": ZURICH, "language": "de"}, (), ["first_name", "last_name", "date_of_birth"]),
        # The time zone of a foreign number is not the person's.
        ({**ALL, "phone": NEW_YORK, "timezone": None}, (), ["timezone"]),
        (ALL, (), []),
    ],
)
def test_the_most_useful_question_comes_first(
    known: dict[str, Any], reached: tuple[str, ...], first: list[str]
) -> None:
    assert asked(reached, **known)[:3] == first


def test_an_address_for_a_channel_that_already_reaches_the_person_can_wait() -> None:
    assert asked(("email",))[:3] == ["phone", "email", "country"]
    assert asked(("sms",))[:3] == ["email", "phone", "country"], "no WhatsApp yet"


@pytest.mark.parametrize(
    ("given", "trait", "status", "source", "value"),
    [
        (document(city="Bern"), "city", "declared", None, None),
        (document(), "city", "missing", None, None),
        (document(phone=LONDON), "country", "inferred", "phone", "GB"),
        (document(phone=LONDON), "timezone", "inferred", "phone", "Europe/London"),
        (document(language="de"), "language", "declared", None, None),
        (document((), {"language": "segment"}, language="de"), "language", "inferred", "the device's settings", None),
        (document((), {"city": "segment"}, city="Bern"), "city", "declared", None, None),
    ],
)
def test_how_a_trait_is_known(
    given: dict[str, Any], trait: str, status: str, source: str | None, value: str | None
) -> None:
    found = next(one for one in trait_status(given) if one["trait"] == trait)
    assert found == {"trait": trait, "status": status, "inferred_from": source, "inferred_value": value}


@given(st.sets(st.sampled_from(CORE_TRAITS)), st.sets(st.sampled_from(("email", "sms", "push", "whatsapp"))))
def test_a_known_trait_is_never_asked_for(known: set[str], reached: set[str]) -> None:
    traits = {name: ALL[name] for name in known}
    questions = asked(tuple(reached), **traits)
    assert not known & set(questions)
    assert len(questions) == len(set(questions))
    missing = {one["trait"] for one in trait_status(document(**traits)) if one["status"] == "missing"}
    assert set(questions) == missing & USES.keys()
