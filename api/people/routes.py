"""Profiles: look-up by identifiers, read by id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.consent.view import view_of_consents
from api.context import Context, ContextOf, context_of
from api.errors import problems
from api.people.identifiers import normalised_each
from api.people.schemas import LookupAnswer, LookupAnswers, LookupBatch, LookupRequest, Profile
from api.responses import answer, answer_if_changed
from api.security.auth import ProfileReader
from api.security.body_limit import bounded
from cdp import fields
from cdp.consent.standings import points_of, read_consents
from cdp.errors import NotFound, UsageError
from cdp.metrics.catalogue import EMPTY_WINDOWS
from cdp.people.identifiers import Match
from cdp.people.lookup import lookup_each
from cdp.people.questions import next_questions, trait_status
from cdp.people.reading import Person, read_people, read_person
from cdp.store import Connection

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], route_class=bounded(1_000_000))

CORE = ("profile_id", "traits", "created_at", "last_seen_at")
READ_PROBLEMS = problems(400, 401, 403, 404, 422, 429, 503)
PARTS = {
    "traits": ("custom_traits", "trait_evidence"),
    "segments": ("segments",),
    "preferences": ("preferences",),
    "consent": ("consent",),
    "metrics": ("metrics",),
    "identity": ("identity", "identifiers"),
    "questions": ("trait_status", "next_questions"),
}

_PROFILE_ID = re.compile(str(fields.ProfileId.pattern))


Include = Annotated[str, Query(description=f"Comma-separated parts to add to the core traits: {', '.join(PARTS)}")]


@lru_cache
def _keys(include: str) -> tuple[str, ...]:
    parts = [part.strip() for part in include.split(",") if part.strip()]
    if not set(parts) <= PARTS.keys():
        raise UsageError("unknown part in include", hint=f"The parts are {', '.join(PARTS)}")
    return (*CORE, *(key for part in PARTS if part in parts for key in PARTS[part]))


@router.post(
    "/lookup",
    summary="Look up a profile",
    response_model=LookupAnswer,
    responses=problems(400, 401, 403, 404, 413, 422, 429, 503),
)
async def lookup_profile(
    _caller: ProfileReader, body: LookupRequest, context: ContextOf, include: Include = ""
) -> Response:
    """Look up a person by identifiers in the body, so that no personal data appears in a URL.

    Values may be in any common spelling. The strongest identifier decides, in the order customer_id, email, phone,
    ids on platforms such as telegram_chat, device_token, anonymous_id. If identifiers lead to several profiles, the
    response is marked `ambiguous`.
    """
    find = partial(_answers_to, [body], context, _keys(include))
    [found] = await context.read(find)
    if found is None:
        raise NotFound("No profile has any of these identifiers")
    return answer(found)


@router.post(
    "/lookup/batch",
    summary="Look up many profiles",
    response_model=LookupAnswers,
    responses=problems(400, 401, 403, 413, 422, 429, 503),
)
async def lookup_profiles(
    _caller: ProfileReader, body: LookupBatch, context: ContextOf, include: Include = ""
) -> Response:
    """Look up to 1,000 people at once, each as by `POST /v1/profiles/lookup`.

    Where no profile is found, `profile_id` and `profile` are null.
    """
    find = partial(_answers_to, body.requests, context, _keys(include))
    found = await run_in_threadpool(context.read_now, find)
    return answer({"answers": [_NOT_FOUND if one is None else one for one in found]})


_NOT_FOUND: Mapping[str, Any] = {
    "profile_id": None,
    "matched": [],
    "ambiguous": False,
    "candidates": [],
    "profile": None,
}


def _answers_to(
    requests: Sequence[LookupRequest], context: Context, keys: tuple[str, ...], connection: Connection
) -> list[dict[str, Any] | None]:
    """The answer to each look-up; None where there is no profile."""
    asked = normalised_each([request.identifiers for request in requests], context.settings.default_region)
    found = lookup_each(connection, asked)
    people = read_people(connection, {matches[0].profile_id for matches in found if matches})
    views = {profile_id: _view(context, connection, person, keys) for profile_id, person in people.items()}
    return [
        _answer(matches, people, views) if matches and matches[0].profile_id in people else None for matches in found
    ]


def _answer(
    matches: Sequence[Match], people: Mapping[str, Person], views: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    asked_id = matches[0].profile_id
    return {
        "profile_id": people[asked_id].profile_id,
        "matched": [{"type": kind, "value": value} for kind, value in matches[0].matched],
        "ambiguous": len(matches) > 1,
        "candidates": [match.profile_id for match in matches],
        "profile": views[asked_id],
    }


@router.get(
    "/{profile_id}",
    summary="Read a profile",
    response_model=Profile,
    responses={304: {"description": "Not changed since the answer with this ETag"}, **READ_PROBLEMS},
)
async def read_profile(_caller: ProfileReader, request: Request, profile_id: str, include: Include = "") -> Response:
    """Read a profile. For a retired id, the response is the surviving profile, with both ids.

    The `ETag` of the response, sent as `If-None-Match`, gets 304 for as long as the response would be the same.
    """
    context, keys = context_of(request), _keys(include)
    person = await known_person(context, profile_id)
    if "consent" in keys:
        view = await context.read(lambda connection: _view(context, connection, person, keys))
    else:
        view = _shown(person, keys)
    return answer_if_changed(view, request.headers.get("if-none-match"))


async def known_person(context: Context, profile_id: str) -> Person:
    """The person with this id, or the person that it was merged into.

    Raises:
        NotFound: there is no such profile.
    """
    is_id = _PROFILE_ID.match(profile_id)
    person = await context.ask(lambda store: read_person(store, profile_id)) if is_id else None
    if person is None:
        raise NotFound("There is no profile with this id")
    return person


def named(person: Person) -> dict[str, Any]:
    """The profile id of a response and, if a retired id was requested, the fields that say so."""
    return {"profile_id": person.profile_id, **_merged(person)}


def _merged(person: Person) -> dict[str, Any]:
    return {"retired_id": person.retired_id, "merged_into": person.profile_id} if person.retired_id else {}


def _view(context: Context, connection: Connection, person: Person, keys: tuple[str, ...]) -> dict[str, Any]:
    consent = {"consent": _consent(context, connection, person)} if "consent" in keys else {}
    return _shown(person, keys, **consent)


def _shown(person: Person, keys: tuple[str, ...], **further: Any) -> dict[str, Any]:
    # Documents published by versions without custom traits lack the key.
    shown: dict[str, Any] = {"custom_traits": {}, **person.document, **further}
    if "metrics" in keys:
        shown["metrics"] = EMPTY_WINDOWS | shown["metrics"]
    if "next_questions" in keys:
        shown |= {"trait_status": trait_status(person.document), "next_questions": next_questions(person.document)}
    return {key: shown[key] for key in keys} | _merged(person)


def _consent(context: Context, connection: Connection, person: Person) -> list[dict[str, Any]]:
    """Consent as of now, unlike the rest of the document: an opt-out takes effect before the next run."""
    points, rules = points_of(connection, person.profile_id), context.policy.consent
    found = read_consents(connection, points, region=person.country, rules=rules, as_of=context.clock())
    return view_of_consents(found)
