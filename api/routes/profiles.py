"""Profiles: find one by identifiers, read one by its id."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api.auth import ProfileReader
from api.body_limit import bounded
from api.context import ContextOf
from api.errors import problems
from api.identifiers import normalised
from api.schemas import LookupAnswer, LookupRequest, Profile
from cdp import fields
from cdp.errors import NotFound, UsageError
from cdp.store import Connection
from cdp.store.profiles import Match, StoredProfile, find_profile, lookup

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], route_class=bounded(1_000_000))

CORE = ("profile_id", "traits", "created_at", "last_seen_at")
PARTS = {
    "traits": ("trait_evidence",),
    "segments": ("segments",),
    "preferences": ("preferences",),
    "metrics": ("metrics",),
    "identity": ("identity", "identifiers"),
}

_PROFILE_ID = re.compile(str(fields.ProfileId.pattern))


async def _keys(
    include: Annotated[
        str, Query(description=f"more than the core traits, separated by commas: {', '.join(PARTS)}")
    ] = "",
) -> tuple[str, ...]:
    parts = [part.strip() for part in include.split(",") if part.strip()]
    if not set(parts) <= PARTS.keys():
        raise UsageError("include names an unknown part", hint=f"Parts are {', '.join(PARTS)}")
    return (*CORE, *(key for part in PARTS if part in parts for key in PARTS[part]))


Keys = Annotated[tuple[str, ...], Depends(_keys)]


@router.post("/lookup", response_model=LookupAnswer, responses=problems(400, 401, 403, 404, 413, 422, 503))
async def lookup_profile(_caller: ProfileReader, asked: LookupRequest, keys: Keys, context: ContextOf) -> Response:
    """Find a person by identifiers in a body, so that no personal data stands in a URL.

    Values may be written in any common way. The strongest identifier decides: customer_id, email, phone,
    device_token, anonymous_id. When identifiers lead to several profiles, the answer says `ambiguous`.
    """
    identifiers = normalised(asked.identifiers, context.settings.default_region)

    def find(connection: Connection) -> tuple[list[Match], StoredProfile | None]:
        matches = lookup(connection, identifiers)
        return matches, find_profile(connection, matches[0].profile_id) if matches else None

    matches, stored = await context.read(find)
    if stored is None:
        raise NotFound("No profile has any of these identifiers")
    return _json(
        {
            "profile_id": stored.profile_id,
            "matched": [{"type": kind, "value": value} for kind, value in matches[0].matched],
            "ambiguous": len(matches) > 1,
            "candidates": [match.profile_id for match in matches],
            "profile": _view(stored, keys),
        }
    )


@router.get(
    "/{profile_id}",
    response_model=Profile,
    responses=problems(400, 401, 403, 404, 422, 503),
)
async def read_profile(_caller: ProfileReader, profile_id: str, keys: Keys, context: ContextOf) -> Response:
    """Read a profile. A retired id answers with its survivor and says so."""
    is_id = _PROFILE_ID.match(profile_id)
    stored = await context.read(lambda connection: find_profile(connection, profile_id)) if is_id else None
    if stored is None:
        raise NotFound("There is no profile with this id")
    return _json(_view(stored, keys))


def _view(stored: StoredProfile, keys: tuple[str, ...]) -> dict[str, Any]:
    document = json.loads(stored.document)
    view = {key: document[key] for key in keys}
    if stored.retired_id:
        view |= {"retired_id": stored.retired_id, "merged_into": stored.profile_id}
    return view


def _json(body: dict[str, Any]) -> Response:
    """The stored document is ours and checked when it was published: models only document it here."""
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
