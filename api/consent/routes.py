"""Consents: record statements, read the ledger and the resulting states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.consent.schemas import ConsentRequest, Consents, RecordedConsent, RehearsedConsent
from api.consent.view import view_of_consents, view_of_entry, view_of_rehearsed, view_of_suppression
from api.context import Context, ContextOf
from api.errors import problems
from api.idempotency import PARAMETER, REPLAYED, key_of
from api.people.identifiers import normalised
from api.responses import answer
from api.schemas import Name, UtcTime
from api.security.auth import ConsentReader, ConsentWriter, ProfileReader
from api.security.body_limit import bounded
from cdp import fields
from cdp.consent.ledger import entries_of, find_contact_point
from cdp.consent.standings import PersonConsents, Point, points_of, read_holders_consents
from cdp.consent.standings import read_consents as consents_of_points
from cdp.consent.stating import NewStatement, Stated, state_once, statements_of
from cdp.errors import NotFound, UsageError
from cdp.idempotency import Once, hash_of
from cdp.people.reading import find_person
from cdp.store import Connection

router = APIRouter(prefix="/v1", tags=["consents"], route_class=bounded(100_000))

ContactPointId = Annotated[str | None, Query(pattern=fields.ContactPointId.pattern)]
DryRun = Annotated[bool, Query(description="Check and answer without recording anything")]
AsOf = Annotated[
    UtcTime | None, Query(description="Point in time: everything that had occurred by then, whenever it was recorded")
]


@router.post(
    "/consents",
    summary="Record a consent",
    status_code=201,
    response_model=RecordedConsent,
    responses=problems(400, 401, 403, 404, 413, 422, 429, 503)
    | {200: {"model": RehearsedConsent, "description": "What a dry run would have recorded"}},
    openapi_extra=PARAMETER,
)
async def record_consent(
    caller: ConsentWriter, body: ConsentRequest, request: Request, context: ContextOf, dry_run: DryRun = False
) -> Response:
    """Record a statement about consent. It applies to every later request, on every worker.

    A statement belongs to a contact point: the address among the identifiers, or the person's only one. An opt-out for
    a person applies to all addresses of the channel, and one of scope `all` to every contact point of the person.
    """
    context.policy.require_purpose(body.purpose)
    statement = body.statement(normalised(body.identifiers or (), context.settings.default_region))
    if dry_run:
        return answer(await run_in_threadpool(_rehearsal, context, statement, caller.client_id))
    key = key_of(request)
    once = Once(caller.client_id, key, hash_of("consent", body.model_dump_json())) if key else None

    def write() -> Stated:
        with context.store.write() as connection:
            return state_once(connection, statement, caller.client_id, context.clock(), once)

    stated = await run_in_threadpool(write)
    first, *reached = stated.entries
    recorded = {**view_of_entry(first), "reached": [view_of_entry(entry) for entry in reached]}
    return Response(to_json(recorded), 201, REPLAYED if stated.is_repeat else {}, "application/json")


def _rehearsal(context: Context, asked: NewStatement, client_id: str) -> dict[str, Any]:
    now = context.clock()
    found = context.read_now(lambda connection: statements_of(connection, asked, client_id, now))
    first, *reached = [view_of_rehearsed(statement) for _, statement in found]
    return {**first, "reached": reached}


@router.get(
    "/consents",
    summary="Read consents",
    response_model=Consents,
    responses=problems(400, 401, 403, 404, 422, 429, 503),
)
async def read_consents(
    _caller: ConsentReader,
    context: ContextOf,
    contact_point_id: ContactPointId = None,
    profile_id: Annotated[Name | None, Query()] = None,
    as_of: AsOf = None,
) -> Response:
    """Read the ledger entries and consent states of a contact point or a person."""
    if (contact_point_id is None) == (profile_id is None):
        raise UsageError("give either contact_point_id or profile_id")
    if profile_id is not None:
        return await _consents_of_profile(context, profile_id, as_of)
    return answer(await context.read(lambda found: _of_contact_point(found, context, str(contact_point_id), as_of)))


@router.get(
    "/profiles/{profile_id}/consents",
    summary="Read a profile's consents",
    response_model=Consents,
    responses=problems(400, 401, 403, 404, 422, 429, 503),
)
async def read_consents_of_profile(
    _caller: ProfileReader, context: ContextOf, profile_id: str, as_of: AsOf = None
) -> Response:
    """Read the consent states of a person's contact points, and the ledger entries behind them."""
    return await _consents_of_profile(context, profile_id, as_of)


async def _consents_of_profile(context: Context, profile_id: str, as_of: datetime | None) -> Response:
    return answer(await context.read(lambda connection: _of_profile(connection, context, profile_id, as_of)))


def _of_profile(connection: Connection, context: Context, requested_id: str, as_of: datetime | None) -> dict[str, Any]:
    if "\0" in requested_id:  # PostgreSQL cannot store NUL
        raise _no_profile()
    person = find_person(connection, requested_id)
    profile_id = person.profile_id if person else requested_id
    points = points_of(connection, profile_id)
    if person is None and not points:
        raise _no_profile()
    rules, now = context.policy.consent, as_of or context.clock()
    found = consents_of_points(connection, points, region=person.country if person else None, rules=rules, as_of=now)
    return {"profile_id": profile_id, **_view(found, points)}


def _no_profile() -> NotFound:
    return NotFound("There is no profile with this id")


def _of_contact_point(
    connection: Connection, context: Context, requested_id: str, as_of: datetime | None
) -> dict[str, Any]:
    """The entries of one contact point; its states take the person's statements on all contact points into account."""
    address = find_contact_point(connection, requested_id)
    point = Point(requested_id, address.type if address else _type_of_erased(connection, requested_id))
    rules, now = context.policy.consent, as_of or context.clock()
    return _view(read_holders_consents(connection, point, rules=rules, as_of=now), [point])


def _type_of_erased(connection: Connection, contact_point_id: str) -> str:
    entries = entries_of(connection, [contact_point_id])
    if not entries:
        raise NotFound("There is no contact point with this id")
    return entries[0].contact_point_type


def _view(found: PersonConsents, points: Sequence[Point]) -> dict[str, Any]:
    ids = {point.id for point in points}
    return {
        "as_of": found.as_of,
        "entries": [view_of_entry(entry) for entry in found.entries if entry.contact_point_id in ids],
        "states": [state for state in view_of_consents(found) if state["contact_point_id"] in ids],
        "suppressions": [
            view_of_suppression(each, found) for each in found.suppressions if each.contact_point_id in ids
        ],
    }
