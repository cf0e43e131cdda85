"""Segments: sizes and changes, the reasons of memberships, previews of another catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.cli import segment_screens, terminal
from cdp.cli.common import AsJson, load_settings, print_json, published
from cdp.errors import UsageError
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.warehouse import Warehouse
    from pipelines.segments.published import Change, Membership

app = typer.Typer()

SEGMENT_SIZES = """
with last as (select run_id from runs.runs order by started_at desc limit 1),
moved as (
    select segment, count(*) filter (change = 'entered') as entered, count(*) filter (change = 'left') as gone
    from segments.changes semi join last using (run_id) group by segment
),
sizes as (select segment, count(*) as profiles from segments.memberships group by segment)
select c.segment, c.title, c.words, coalesce(s.profiles, 0) as profiles, coalesce(m.entered, 0) as entered,
    coalesce(m.gone, 0) as left
from segments.catalogue c left join sizes s using (segment) left join moved m using (segment)
order by c.position
"""
IDS_SHOWN = 3


@app.command()
def segments(
    preview: Annotated[
        Path | None,
        typer.Option(
            "--preview", metavar="FILE", help="A catalogue file: show the profiles that would enter and leave."
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", metavar="REFERENCE", help="A profile id or an identifier: show its segments and why."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the segments of the last run: their rules, sizes, and profiles entered and left. Nothing is written.

    Examples: cdp segments · cdp segments --preview new.yaml · cdp segments --profile ann@example.com
    """
    if preview and profile:
        raise UsageError("--preview and --profile cannot be combined", where="cdp segments", hint="Use one at a time")
    settings = load_settings()
    if preview:
        _preview(settings, preview, as_json)
    elif profile:
        _explain(settings, profile, as_json)
    else:
        _sizes(settings, as_json)


def _sizes(settings: Settings, as_json: bool) -> None:
    from cdp.segments import load_catalogue
    from pipelines.segments.published import published_catalogue

    in_file = load_catalogue(settings.segments)
    with published(settings) as warehouse:
        sizes = warehouse.query(SEGMENT_SIZES).to_dicts()
        changed = in_file.segments != published_catalogue(warehouse).segments
    if as_json:
        print_json({"segments": sizes, "file_has_changed": changed})
        return
    segment_screens.show_sizes(sizes)
    if changed:
        terminal.say("\nThe catalogue file has changed since the last run; --preview FILE shows the effect.")


def _preview(settings: Settings, path: Path, as_json: bool) -> None:
    from cdp.segments import load_catalogue
    from pipelines.segments.published import preview

    catalogue = load_catalogue(path)
    with published(settings) as warehouse:
        changes = preview(warehouse, catalogue)
    if as_json:
        print_json({"segments": [_document(change) for change in changes]})
    else:
        segment_screens.show_preview(changes, IDS_SHOWN)


def _document(change: Change) -> dict[str, Any]:
    return {
        "segment": change.segment,
        "status": change.status,
        "now": change.now,
        "then": change.then,
        "entering": len(change.entering),
        "leaving": len(change.leaving),
        "entering_profiles": change.entering,
        "leaving_profiles": change.leaving,
    }


def _explain(settings: Settings, reference: str, as_json: bool) -> None:
    from pipelines.segments.published import as_document, why

    with published(settings) as warehouse:
        found = {profile_id: why(warehouse, profile_id) for profile_id in _meant(warehouse, settings, reference)}
    if not as_json:
        segment_screens.show_memberships(found)
        return
    print_json(
        {
            "profiles": [
                {
                    "profile_id": profile_id,
                    "segments": [_membership(one, as_document(one.finding)) for one in memberships],
                }
                for profile_id, memberships in found.items()
            ]
        }
    )


def _membership(membership: Membership, reason: dict[str, Any]) -> dict[str, Any]:
    since = membership.entered_at.isoformat() if membership.entered_at else None
    return {
        "segment": membership.segment.name,
        "title": membership.segment.title,
        "is_in": membership.finding.held,
        "entered_at": since,
        "why": reason,
    }


def _meant(warehouse: Warehouse, settings: Settings, reference: str) -> list[str]:
    """The profiles that a reference means: several if they share the identifier."""
    from identity.references import members_meant, parse

    found = members_meant(warehouse, parse(reference, "--profile", settings.default_region))
    return list(dict.fromkeys(found["profile_id"]))
