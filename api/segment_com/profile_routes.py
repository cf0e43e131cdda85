"""A compatible implementation of Segment's Profile API, so that its clients work unchanged.

https://segment.com/docs/unify/profile-api/. URLs may contain an address, as their contract requires: it never reaches
our logs, and the URLs in responses contain the profile id instead.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Security
from fastapi.security import SecurityScopes
from starlette.responses import Response

from api.context import Context, ContextOf
from api.errors import Unauthorised, problems
from api.people.identifiers import normalised
from api.people.queries import EVENT_CURSORS, EventFilter, EventPage, events_of
from api.people.routes import known_person
from api.responses import answer
from api.schemas import Identifier
from api.security.auth import Authorise, admit, authorise, bearer_token
from api.security.basic_auth import basic_credentials, client_by_secret
from api.security.tokens import Caller
from api.segment_com.schemas import SpaceList, SpaceMetadata, SpaceTraits
from api.segment_com.shapes import ID_TYPES, event_of, external_ids_of, metadata_of, own_identifiers, page_of, traits_of
from cdp.errors import NotFound
from cdp.fields import IDENTIFIER_TYPES
from cdp.people.document import ProfileDocument
from cdp.people.lookup import lookup

PATHS = "/v1/spaces/"
PREFIX = PATHS + "{space}/collections/users/profiles/{id_type}:{id_value:path}"
MAX_LIMIT = 200
MAX_LINKS = 20
MAX_VALUE_LENGTH = 512
PROFILE_ID = "segment_id"


class AuthoriseSpace(Authorise):
    """Like `Authorise`, but also accepts HTTP Basic with a token as the user, or with a client's id and secret."""

    async def __call__(self, request: Request, required: SecurityScopes) -> Caller:  # type: ignore[override]
        if not request.headers.get("authorization", "").lower().startswith("basic "):
            return await authorise(request, bearer_token(request), required.scopes)
        user, password = basic_credentials(request.headers["authorization"]) or ("", "")
        if not password:
            return await authorise(request, user, required.scopes)
        caller = await _client(request, user, password.removesuffix(":"))
        admit(request, caller, required.scopes)
        return caller


async def _client(request: Request, client_id: str, secret: str) -> Caller:
    """The client with this secret. `id:secret` configured as a token ends with an extra colon."""
    known = await client_by_secret(request, client_id, secret)
    if known is None:
        raise Unauthorised("Unknown token", headers={"WWW-Authenticate": 'Basic realm="cdp", charset="UTF-8"'})
    return Caller(known.client_id, frozenset(known.scopes))


router = APIRouter(
    prefix=PREFIX,
    tags=["Segment Profile API"],
    dependencies=[Security(AuthoriseSpace(), scopes=["profiles:read"])],
    responses=problems(400, 401, 403, 404, 429, 503),
)

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Names = Annotated[str, Query(description="Comma-separated names", max_length=4_000)]
Next = Annotated[str, Query(alias="next", description="Start of the page: `next` from the previous cursor")]


_Space = Annotated[str, Path(alias="space", description="Any name: there is one space")]


async def _document(context: ContextOf, _space: _Space, id_type: str, id_value: str) -> ProfileDocument:
    """The profile of an external id; the type ends at the first colon."""
    kind, _, value = f"{id_type}:{id_value}".partition(":")
    profile_id = value if kind == PROFILE_ID else await _holder(context, kind, value)
    try:
        return (await known_person(context, profile_id)).document
    except NotFound:
        raise _not_found() from None


async def _holder(context: Context, kind: str, value: str) -> str:
    own_type = ID_TYPES.get(kind, kind)
    if own_type not in IDENTIFIER_TYPES or "\0" in value or not 0 < len(value) <= MAX_VALUE_LENGTH:
        raise _not_found()
    written = [Identifier(type=own, value=text) for own, text in own_identifiers(kind, value)]
    spelled = normalised(written, context.settings.default_region)
    matches = await context.read(lambda connection: lookup(connection, spelled))
    if not matches:
        raise _not_found()
    return matches[0].profile_id


def _not_found() -> NotFound:
    return NotFound("Profile was not found.")


Document = Annotated[ProfileDocument, Depends(_document)]


@router.get("/traits", summary="Get a profile's traits", response_model=SpaceTraits)
async def traits(
    request: Request,
    document: Document,
    include: Names = "",
    limit: Limit = 10,
    verbose: bool = False,
    trait_class: Annotated[Literal["audience", "computed_trait"] | None, Query(alias="class")] = None,
    begin: Next = "",
) -> Response:
    """Get a profile's traits by name: its own traits, computed traits (metrics) and audiences (segments)."""
    found = traits_of(document, trait_class)
    names, following = page_of(found, _split(include), begin, limit)
    shown = {name: found[name] if verbose else found[name]["value"] for name in names}
    return answer({"traits": shown, "cursor": _cursor(request, document, limit, following)})


@router.get("/external_ids", summary="Get a profile's external ids", response_model=SpaceList)
async def external_ids(
    request: Request,
    document: Document,
    include: Names = "",
    limit: Limit = 10,
    verbose: bool = False,
    begin: Next = "",
) -> Response:
    """Get a profile's identifiers. `verbose` is accepted for compatibility and has no effect."""
    only = _split(include)
    found = {str(place): each for place, each in enumerate(external_ids_of(document))}
    wanted = {place: each for place, each in found.items() if not only or each["type"] in only}
    places, following = page_of(wanted, (), begin, limit)
    data = [wanted[place] for place in places]
    return answer({"data": data, "cursor": _cursor(request, document, limit, following)})


@router.get("/events", summary="Get a profile's events", response_model=SpaceList)
async def events(
    request: Request,
    document: Document,
    context: ContextOf,
    include: Names = "",
    exclude: Names = "",
    limit: Limit = 10,
    sort: Literal["asc", "desc"] = "desc",
    start: datetime | None = None,
    end: datetime | None = None,
    begin: Next = "",
) -> Response:
    """Get a profile's events as of the last run, newest first by default."""
    wanted = EventFilter(_utc(start), _utc(end), _split(include), _split(exclude))
    after = EVENT_CURSORS.position(begin) if begin else None
    page: EventPage = await context.warehouse.ask(
        lambda warehouse: events_of(warehouse, document["profile_id"], limit, after, sort, wanted)
    )
    data = [event_of(event, document) for event in page.events]
    return answer({"data": data, "cursor": _cursor(request, document, limit, page.next_cursor or "")})


@router.get("/metadata", summary="Get a profile's metadata", response_model=SpaceMetadata)
async def metadata(document: Document, verbose: bool = False) -> Response:
    """Get the times at which the profile was first and last seen, and the sources."""
    return answer({"metadata": metadata_of(document, verbose=verbose)})


@router.get("/links", summary="Get a profile's links", response_model=SpaceList)
async def links(
    request: Request, document: Document, limit: Annotated[int, Query(ge=1, le=MAX_LINKS)] = 10
) -> Response:
    """Get the accounts that the person belongs to. Always empty, because all profiles here are people."""
    return answer({"data": [], "cursor": _cursor(request, document, limit, "")})


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _utc(moment: datetime | None) -> datetime | None:
    """Times in the Profile API are ISO 8601, and UTC unless they have a zone."""
    if moment is None or moment.tzinfo:
        return moment
    return moment.replace(tzinfo=UTC)


def _cursor(request: Request, document: ProfileDocument, limit: int, following: str) -> dict[str, Any]:
    """The cursor of the next page: this request again, with the profile id in place of the external id."""
    space, what = quote(request.path_params["space"]), request.scope["path"].rpartition("/")[2]
    path = f"{PATHS}{space}/collections/users/profiles/{PROFILE_ID}:{document['profile_id']}/{what}"
    parameters = {**request.query_params, "limit": limit, "next": following}
    query = urlencode({name: value for name, value in parameters.items() if value})
    return {"url": f"{path}?{query}", "has_more": bool(following), "next": following, "limit": limit}
