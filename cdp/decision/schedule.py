"""The gates about timing: quiet hours and frequency caps delay a message, and refuse it past the deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cdp.decision.caps import Free, Limit, next_free
from cdp.decision.model import Reason
from cdp.decision.policy import QuietHours
from cdp.decision.quiet_hours import next_allowed, next_quiet
from cdp.decision.timezones import TimeZones


@dataclass(frozen=True)
class Terms:
    """The timing rules for a message on a channel. `limits` is None for a purpose without caps."""

    channel: str
    quiet: QuietHours | None
    time_zones: TimeZones | None
    limits: tuple[Limit, ...] | None

    def quiet_ends(self, moment: datetime, latest: datetime) -> datetime | None:
        """The first time that is not quiet; None if it is after `latest` or the time zone is unknown."""
        if self.quiet is None:
            return moment
        return next_allowed(moment, self.quiet, self.time_zones.zones, latest) if self.time_zones else None

    def quiet_begins(self, moment: datetime, latest: datetime) -> datetime:
        """When the next quiet hours begin, `latest` at the latest."""
        if self.quiet is None or self.time_zones is None:
            return latest
        return min(latest, next_quiet(moment, self.quiet, self.time_zones.zones))


class Slot(NamedTuple):
    """When a message may go out (None: not in time), and the verdicts of quiet hours and caps."""

    send_at: datetime | None
    reasons: tuple[Reason, ...]


def schedule(terms: Terms, start: datetime, latest: datetime) -> Slot:
    """The first time from `start` to `latest` that is neither quiet nor over a cap."""
    if start > latest:
        return Slot(None, (Reason("deadline", terms.channel, "fail", "deadline_passed"),))
    moment, was_quiet, broken = start, False, Free(start)
    while True:
        quiet_end = terms.quiet_ends(moment, latest)
        if quiet_end is None:
            return Slot(None, (_quiet_verdict(terms, was_quiet=True, is_late=True),))
        was_quiet = was_quiet or quiet_end != moment
        free = next_free(quiet_end, terms.limits or (), latest)
        broken = free if free.code else broken
        if free.at is None or free.at == quiet_end:
            quiet = _quiet_verdict(terms, was_quiet=was_quiet, is_late=False)
            return Slot(free.at, (quiet, _cap_verdict(terms, broken, is_late=free.at is None)))
        moment = free.at


def _quiet_verdict(terms: Terms, *, was_quiet: bool, is_late: bool) -> Reason:
    if terms.quiet is None:
        return Reason("quiet_hours", terms.channel, "pass", "no_quiet_hours")
    if terms.time_zones is None:
        return Reason("quiet_hours", terms.channel, "fail", "timezone_unknown")
    code = "quiet_past_deadline" if is_late else "put_off_by_quiet_hours" if was_quiet else "not_quiet"
    return Reason("quiet_hours", terms.channel, "fail" if is_late else "pass", code, terms.time_zones.evidence)


def _cap_verdict(terms: Terms, free: Free, *, is_late: bool) -> Reason:
    if terms.limits is None:
        return Reason("frequency_cap", terms.channel, "pass", "not_capped")
    if free.code is None:
        return Reason("frequency_cap", terms.channel, "pass", "under_cap")
    code = f"{free.code}_past_deadline" if is_late else f"put_off_by_{free.code}"
    return Reason("frequency_cap", terms.channel, "fail" if is_late else "pass", code, free.evidence_id)
