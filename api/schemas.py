"""Request and response bodies shared by the routes, as OpenAPI documents them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cdp.fields import IDENTIFIER_TYPES
from cdp.json_text import MAX_DEPTH, depth_of

if TYPE_CHECKING:
    IdentifierType = str
else:
    # Type checkers do not support a Literal made from a tuple; Pydantic does.
    IdentifierType = Literal[IDENTIFIER_TYPES]
# PostgreSQL cannot store NUL in text.
IdentifierValue = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]

Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]


def _utc(value: datetime) -> datetime:
    # Far enough from the limits of datetime for arithmetic.
    if not 2000 <= value.year < 2200:
        raise ValueError("the year must be between 2000 and 2199")
    return value.astimezone(UTC)


UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]


MAX_IDENTIFIERS = 50


class Body(BaseModel):
    """A response body: it has exactly the declared fields."""

    model_config = ConfigDict(extra="forbid")


def _require_json(data: dict[str, Any]) -> dict[str, Any]:
    try:
        is_json = depth_of(data) <= MAX_DEPTH and bool(json.dumps(data, allow_nan=False, ensure_ascii=False).encode())
    except ValueError:  # NaN, Infinity, or a lone surrogate
        is_json = False
    if not is_json:
        raise ValueError(f"give finite numbers and valid Unicode, at most {MAX_DEPTH} levels deep")
    return data


MessageData = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Any], Field(max_length=50), AfterValidator(_require_json)
]


class Problem(Body):
    """An error (RFC 9457)."""

    type: str = Field(description="Always `about:blank`: the status is the type of the problem")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Request id, under which the log has the details")
    code: str = Field(description="Machine-readable error code")
    message: str = Field(description="Human-readable error message")
    errors: list[dict[str, Any]] | None = Field(None, description="Invalid fields, each with location and message")
    error: dict[str, str] | None = Field(None, description="Code and message in the format of Segment's Profile API")


def example(value: Any) -> dict[str, Any]:
    """The JSON schema of a model with an example of a body."""
    return {"examples": [value]}


class Identifier(BaseModel):
    """An identifier in any common spelling. A `customer_id` includes its source, such as `shopify:1234`."""

    type: IdentifierType
    value: IdentifierValue


class Recipient(BaseModel):
    """The person that is meant: a profile id, or identifiers."""

    model_config = ConfigDict(extra="forbid")

    profile_id: Name | None = None
    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_IDENTIFIERS)] | None = None

    @model_validator(mode="after")
    def _identifies_the_person_once(self) -> Self:
        if (self.profile_id is None) == (self.identifiers is None):
            raise ValueError("give either profile_id or identifiers")
        return self
