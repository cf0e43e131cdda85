"""Segments: who is in, who came and went."""

from __future__ import annotations

import typer

from cdp.cli import screens
from cdp.cli.common import published
from cdp.settings import load_settings

app = typer.Typer()

SEGMENT_SIZES = """
with last as (select run_id from runs.runs order by started_at desc limit 1),
moved as (
    select segment, count(*) filter (change = 'entered') as entered, count(*) filter (change = 'left') as gone
    from segments.changes semi join last using (run_id) group by segment
),
sizes as (select segment, count(*) as profiles from segments.memberships group by segment)
select segment, coalesce(profiles, 0), coalesce(entered, 0), coalesce(gone, 0)
from sizes full join moved using (segment)
"""


@app.command()
def segments() -> None:
    """The segments: who is in by which rule, who came and went.

    Example: cdp segments
    """
    from pipelines.segments import in_words, load_catalogue

    settings = load_settings()
    catalogue = load_catalogue(settings.segments)
    with published(settings) as warehouse:
        sizes = {name: counts for name, *counts in warehouse.query(SEGMENT_SIZES).iter_rows()}
    screens.show_segments(
        (segment.name, *sizes.get(segment.name, (0, 0, 0)), f"{segment.title}: {in_words(segment.rule)}")
        for segment in catalogue.segments
    )
