"""The terminal output of `cdp segments`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from cdp.cli.terminal import heading, minute, out, say

if TYPE_CHECKING:
    from cdp.segments import Finding
    from pipelines.segments.published import Change, Membership

INDENT = 2


def show_sizes(segments: Sequence[Mapping[str, Any]]) -> None:
    """Segments with their sizes. `segments`: segment, title, words, profiles, entered and left in the last run."""
    width = max((len(row["segment"]) for row in segments), default=0)
    out.print(f"{'segment':<{width}}  profiles  entered     left", style="dim")
    for row in segments:
        figures = f"{row['profiles']:>8,}  {row['entered']:>7,}  {row['left']:>7,}"
        out.print(f"[bold]{row['segment']:<{width}}[/bold]  {figures}")
        out.print(Padding(Text(f"{row['title']}: {row['words']}", style="dim"), (0, 0, 0, INDENT)))


def show_preview(changes: Sequence[Change], limit: int) -> None:
    """The changes that a catalogue would make, with some of the profiles that would move."""
    width = max((len(change.segment) for change in changes), default=0)
    out.print(f"{'segment':<{width}}       now      then    enter    leave", style="dim")
    for change in changes:
        now, then = (f"{'–' if size is None else format(size, ',')}" for size in (change.now, change.then))
        moves = f"{len(change.entering):>7,}  {len(change.leaving):>7,}"
        out.print(f"[bold]{change.segment:<{width}}[/bold]  {now:>8}  {then:>8}  {moves}  {change.status}".rstrip())
        for verb, ids in (("enter", change.entering), ("leave", change.leaving)):
            if ids:
                some = ", ".join(ids[:limit]) + (", and more" if len(ids) > limit else "")
                out.print(Padding(Text(f"would {verb}: {some}", style="dim"), (0, 0, 0, INDENT)))
    say("\nNothing was changed. To apply this catalogue, set CDP_SEGMENTS to it and run `cdp run`.")


def show_memberships(profiles: Mapping[str, Sequence[Membership]]) -> None:
    """For each profile its segments, then the other segments, with each condition, its result and the value."""
    for profile_id, memberships in profiles.items():
        heading(profile_id)
        for membership in sorted(memberships, key=lambda one: not one.finding.held):
            since = f", since {minute(membership.entered_at)}" if membership.entered_at else ""
            state = f"in{since}" if membership.finding.held else "not in"
            out.print(f"[bold]{membership.segment.name}[/bold]: {state}")
            for depth, finding in _flat(membership.finding, 1):
                mark = "✓" if finding.held else "✗"
                value = "" if finding.parts else f": {_shown(finding.value)}"
                out.print(Padding(Text(f"{mark} {finding.condition}{value}"), (0, 0, 0, depth * INDENT)))


def _flat(finding: Finding, depth: int) -> Iterator[tuple[int, Finding]]:
    yield depth, finding
    for part in finding.parts:
        yield from _flat(part, depth + 1)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return minute(value)
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
