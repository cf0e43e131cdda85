"""A profile's history from the published warehouse: its events, its observations and their links."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic_core import to_json
from starlette.responses import Response

from api.context import Context, ContextOf
from api.errors import problems
from api.people.identifiers import normalised
from api.people.queries import EVENT_CURSORS, events_of, holders, members_of
from api.people.routes import known_person, named
from api.people.schemas import Events, IdentityAnswer, PathRequest
from api.responses import answer, answer_text
from api.schemas import Identifier
from api.security.auth import ProfileReader
from api.security.body_limit import bounded
from cdp import fields
from cdp.errors import NotFound, UsageError
from cdp.people.reading import Person
from cdp.warehouse import Warehouse
from identity.chain import Link, evidence_in_force, strongest_chain

router = APIRouter(prefix="/v1/profiles/{profile_id}", tags=["profiles"], route_class=bounded(16_384))

ObservationId = Annotated[str | None, Query(pattern=fields.ObservationId.pattern)]


@router.get("/events", response_model=Events, responses=problems(400, 401, 403, 404, 422, 429, 503))
async def read_events(
    _caller: ProfileReader,
    profile_id: str,
    context: ContextOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Get a profile's events as of the last run, newest first.

    Pages are stable: each event is on exactly one page, even if a run is published in between.
    """
    person = await known_person(context, profile_id)
    after = EVENT_CURSORS.position(cursor) if cursor else None
    page = await context.warehouse.ask(lambda warehouse: events_of(warehouse, person.profile_id, limit, after))
    head = to_json({**named(person), "next_cursor": page.next_cursor})
    return answer_text(head[:-1] + b',"events":[' + ",".join(page.events).encode() + b"]}")


@router.get("/identity", response_model=IdentityAnswer, responses=problems(400, 401, 403, 404, 422, 429, 503))
async def read_identity(
    _caller: ProfileReader,
    profile_id: str,
    context: ContextOf,
    left_observation: ObservationId = None,
    right_observation: ObservationId = None,
) -> Response:
    """Get a profile's observations and, for two of them, the chain of evidence that links them."""
    if (left_observation is None) != (right_observation is None):
        raise UsageError("a path requires two observations", hint="Set left_observation and right_observation")
    person = await known_person(context, profile_id)

    def ask(warehouse: Warehouse) -> dict[str, Any]:
        members = members_of(warehouse, person.profile_id)
        if left_observation is None or right_observation is None:
            return {"members": members}
        if not {left_observation, right_observation} <= {member["observation_id"] for member in members}:
            raise NotFound("The profile has no such observation")
        return {"members": members, "path": _path(warehouse, person, [left_observation], [right_observation])}

    return answer({**named(person), **await context.warehouse.ask(ask)})


@router.post("/identity", response_model=IdentityAnswer, responses=problems(400, 401, 403, 404, 413, 422, 429, 503))
async def explain_identity(_caller: ProfileReader, profile_id: str, asked: PathRequest, context: ContextOf) -> Response:
    """Get the chain of evidence between two identifiers. They are in the body because URLs end up in logs."""
    person = await known_person(context, profile_id)

    def ask(warehouse: Warehouse) -> dict[str, Any]:
        members = members_of(warehouse, person.profile_id)
        left, right = (_holders(context, warehouse, person, end) for end in (asked.left, asked.right))
        return {"members": members, "path": _path(warehouse, person, left, right)}

    return answer({**named(person), **await context.warehouse.ask(ask)})


def _holders(context: Context, warehouse: Warehouse, person: Person, identifier: Identifier) -> list[str]:
    spelled = normalised([identifier], context.settings.default_region)
    found = holders(warehouse, person.profile_id, spelled[0]) if spelled else []
    if not found:
        raise NotFound("The profile has no such identifier")
    return found


def _path(warehouse: Warehouse, person: Person, left: list[str], right: list[str]) -> list[dict[str, Any]] | None:
    chain = strongest_chain(evidence_in_force(warehouse, person.profile_id), left, right)
    return None if chain is None else [_step(link) for link in chain]


def _step(link: Link) -> dict[str, Any]:
    evidence = link.evidence
    return {
        "left_observation": link.from_id,
        "right_observation": link.to_id,
        "kind": evidence.kind,
        "rule": evidence.rule,
        "probability": evidence.probability,
        "evidence": evidence.details,
    }
