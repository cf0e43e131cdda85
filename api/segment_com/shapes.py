"""Published profiles in the format of Segment's Profile API (https://segment.com/docs/unify/profile-api/).

The traits are those of the profile; metrics become computed traits, and segments become audiences.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from cdp.people.document import KnownIdentifier, ProfileDocument

# Identifier types in the Profile API that have other names here.
ID_TYPES = {
    "user_id": "customer_id",
    "phone_number": "phone",
    "android.push_token": "device_token",
    "ios.push_token": "device_token",
}
# The source of user ids in tracked events: a customer_id includes its source.
USER_ID_SOURCE = "segment"

_EVENT_TYPES = {"identified": "identify", "viewed": "page"}
Json = dict[str, Any]


def own_identifiers(kind: str, value: str) -> list[tuple[str, str]]:
    """The (type, value) pairs that `{kind}:{value}` may mean: a user id without a source is a tracked one."""
    own = ID_TYPES.get(kind, kind)
    return [(own, value), (own, f"{USER_ID_SOURCE}:{value}")] if own == "customer_id" else [(own, value)]


def traits_of(document: ProfileDocument, trait_class: str | None) -> Json:
    """Traits of a class or of all classes, sorted by name: {value, source_id, updated_at}, without empty ones."""
    found: Json = {}
    if trait_class in (None, "audience"):
        found |= {each["segment"]: _trait(True, "segments", each["entered_at"]) for each in document["segments"]}
    if trait_class in (None, "computed_trait"):
        found |= {
            name: _trait(value, "metrics", document["last_seen_at"])
            for name, value in document["metrics"].items()
            if value is not None and name != "profile_id"
        }
    if trait_class is None:
        found |= dict(_own_traits(document))
    return dict(sorted(found.items()))


def _own_traits(document: ProfileDocument) -> Iterator[tuple[str, Json]]:
    evidence_of = {each["trait"]: each for each in document["trait_evidence"] if each["is_current"]}
    for name, value in {**document.get("custom_traits", {}), **document["traits"]}.items():
        if value is not None:
            evidence = evidence_of.get(name)
            source, observed_at = (evidence["source"], evidence["observed_at"]) if evidence else (None, None)
            yield name, _trait(value, source, observed_at)


def _trait(value: Any, source_id: str | None, updated_at: str | None) -> Json:
    return {"value": value, "source_id": source_id, "updated_at": updated_at}


def external_ids_of(document: ProfileDocument) -> list[Json]:
    """The identifiers. A customer_id from tracking becomes a plain `user_id`; others keep their source."""
    return [
        {
            **_external_id(identifier),
            **{"source_id": ",".join(identifier["sources"]), "created_at": identifier["first_seen_at"]},
        }
        for identifier in document["identifiers"]
    ]


def _external_id(identifier: KnownIdentifier) -> Json:
    is_customer = identifier["type"] == "customer_id"
    kind = "user_id" if is_customer else identifier["type"]
    value = identifier["value"].removeprefix(f"{USER_ID_SOURCE}:") if is_customer else identifier["value"]
    return {"collection": "users", "type": kind, "id": value, "encoding": "none"}


def event_of(event: str, document: ProfileDocument) -> Json:
    """An event (JSON text from `api.people.queries`) in the format of the Profile API."""
    ours = json.loads(event)
    return {
        "type": _EVENT_TYPES.get(ours["event_type"], "track"),
        "event": ours["event_name"] or ours["event_type"],
        "message_id": ours["event_id"],
        "source_id": ours["source"],
        "timestamp": ours["occurred_at"],
        "properties": _properties(ours),
        "context": {"channel": ours["channel"]},
        "external_ids": [_external_id(identifier) for identifier in document["identifiers"]],
        "related": {"users": [document["profile_id"]]},
    }


def _properties(event: Json) -> Json:
    money = {"revenue": float(event["amount"]), "currency": event["currency"]} if event["amount"] is not None else {}
    return money | (event["properties"] or {})


def metadata_of(document: ProfileDocument, *, verbose: bool) -> Json:
    observed = sorted((each["observed_at"], each["source"]) for each in document["trait_evidence"])
    sources = {"first_source_id": observed[0][1], "last_source_id": observed[-1][1]} if observed else {}
    whole = {"id": document["profile_id"], "identity": document["identity"]} if verbose else {}
    return {
        **{"created_at": document["created_at"], "updated_at": document["last_seen_at"], "expires_at": None},
        **sources,
        **whole,
    }


def page_of(names: Collection[str], only: Collection[str], begin: str, limit: int) -> tuple[list[str], str]:
    """A page of names, at most `limit` from `begin` on, and the first name of the next page ("" if there is none)."""
    wanted = [name for name in names if not only or name in only]
    start = wanted.index(begin) if begin in wanted else 0
    rest = wanted[start + limit : start + limit + 1]
    return wanted[start : start + limit], rest[0] if rest else ""
