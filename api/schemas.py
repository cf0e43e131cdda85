"""The API's bodies, as OpenAPI documents them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from cdp.fields import IDENTIFIER_TYPES

if TYPE_CHECKING:
    IdentifierType = str
else:
    # Type checkers do not follow a Literal that is made from a table; Pydantic does.
    IdentifierType = Literal[IDENTIFIER_TYPES]
# PostgreSQL's texts cannot hold NUL.
IdentifierValue = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]

Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]


def _utc(value: datetime) -> datetime:
    # Far enough from the ends of the calendar to reckon with.
    if not 2000 <= value.year < 2200:
        raise ValueError("a time of these centuries is wanted")
    return value.astimezone(UTC)


UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]


MAX_IDENTIFIERS = 50


class Body(BaseModel):
    """A body of ours; what we answer has the fields named and no others."""

    model_config = ConfigDict(extra="forbid")


class Problem(Body):
    """An error (RFC 9457)."""

    type: str = Field(description="`about:blank`: the status says what kind of problem it is")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the request's id, under which the log has more")
    code: str = Field(description="what is wrong, for programs")
    message: str = Field(description="what is wrong, for people")
    errors: list[dict[str, Any]] | None = Field(None, description="each field that is not valid")
    error: dict[str, str] | None = Field(None, description="code and message as Segment's Profile API has them")


class Identifier(BaseModel):
    """An identifier as anyone would write it; a `customer_id` carries its source, such as `shopify:1234`."""

    type: IdentifierType
    value: IdentifierValue
