"""Response bodies of health checks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from api.schemas import Body


class Alive(Body):
    """The process is alive."""

    status: Literal["alive"]


class Ready(Body):
    """The service is ready and serves the results of this run."""

    status: Literal["ready"]
    run_id: str
    as_of: datetime
