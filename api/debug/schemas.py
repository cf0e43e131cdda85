"""Response bodies of the debugger."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from cdp.live.debugging import Outcome


class SeenPayload(BaseModel):
    """A payload and what became of it."""

    received_at: AwareDatetime
    source: str
    format: str = Field(description="The source whose mapping reads the payload, see `cdp sources`")
    message_id: str
    outcome: Outcome = Field(description="`accepted` or `rejected`; repeats are counted in `duplicates`")
    reason: str | None = Field(description="Why it was rejected, as in the rejects of a run")
    detail: str | None = Field(description="The field that is wrong")
    duplicates: int = Field(description="How often its message id came again; the repeats were ignored")
    last_duplicate_at: AwareDatetime | None
    profile_id: str | None = Field(description="The profile that it was resolved to at the time")
    run_id: str | None = Field(description="The run that has landed it")
    payload: Any = Field(description="Its fields; values are replaced by their kinds unless `values=true`")


class RefusedRequest(BaseModel):
    """A request that was refused as a whole, so that nothing of it is stored."""

    requested_at: AwareDatetime
    client_id: str | None = Field(description="The client or the name of the write key, if it was known")
    method: str
    route: str | None = Field(description="None if there is no such route")
    status: int
    code: str | None


class DebugEvents(BaseModel):
    """The last payloads, the latest first, and the last refused requests."""

    events: list[SeenPayload]
    refused_requests: list[RefusedRequest] = Field(description="Of any kind; on the first page only")
    next_cursor: str | None
