"""The possible time zones of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True)
class TimeZones:
    """The zones a person may be in; `evidence` names the source of that knowledge, such as `timezone:Europe/Zurich`."""

    zones: tuple[ZoneInfo, ...]
    evidence: str


def time_zones(
    timezone: str | None, country: str | None, otherwise: str, *, is_claim: bool = False
) -> TimeZones | None:
    """From the person's time zone (an IANA name), else from their country (ISO code), else from the policy.

    None if both are unknown and the policy says `refuse`. A time zone that only write keys have told comes after the
    country: everybody can have one.
    """
    zone = _zone(timezone) if timezone else None
    by_zone = TimeZones((zone,), f"timezone:{zone.key}") if zone else None
    if by_zone and not is_claim:
        return by_zone
    if country and country in zones_by_country():
        return TimeZones(zones_by_country()[country], f"country:{country}")
    if by_zone:
        return by_zone
    return None if otherwise == "refuse" else TimeZones((ZoneInfo(otherwise),), f"policy:{otherwise}")


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    # Sources may contain anything: an unknown zone, a path, a directory of zones.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@cache
def zones_by_country() -> Mapping[str, tuple[ZoneInfo, ...]]:
    """The IANA database's zones of each country, by ISO code (zone1970.tab: codes, coordinates, zone, comments)."""
    lines = (files("tzdata") / "zoneinfo" / "zone1970.tab").read_text(encoding="utf-8").splitlines()
    found: dict[str, list[ZoneInfo]] = {}
    for line in lines:
        if line and not line.startswith("#"):
            codes, _coordinates, name = line.split("\t")[:3]
            for code in codes.split(","):
                found.setdefault(code, []).append(ZoneInfo(name))
    return {code: tuple(zones) for code, zones in found.items()}
