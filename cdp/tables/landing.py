"""The schema `landing`: what was taken in, and what was refused."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Reference, Rule, Table
from cdp.tables.lineage import LINEAGE

# A source whose rows are mostly refused is broken, or its format changed: nothing of it may be published.
# Fewer than three refused rows say nothing about a source.
MAX_REJECT_SHARE = 0.25
MIN_REJECTS_TO_JUDGE = 3

FILES = Table(
    "landing",
    "files",
    "a file, or a batch of the API's inbox, taken in",
    (
        Column("file_id", f.FileId, True),
        Column("source", f.Text, True, "whose log it is"),
        Column("format", f.Text, True, "the source that reads it, as `cdp sources` lists it"),
        Column("path", f.Text, True, "where it was read"),
        Column("sha256", f.Hash, True, "of the file's bytes"),
        Column("byte_count", f.Count, True),
        Column("row_count", f.Count, True, "lines or records read, refused ones included"),
        Column("reject_count", f.Count, True, "of these, refused"),
        Column("mapping", f.Json, False, "the mapping in force, where the format needs one"),
        Column("landed_at", f.UtcTime, True),
        Column("run_id", f.RunId, True),
    ),
    key=("file_id",),
    rules=(
        Rule(
            "reject_share",
            f"no source has more than {MAX_REJECT_SHARE:.0%} of its rows refused in one run",
            "select source, run_id, sum(reject_count) as rejects, sum(row_count) as total_rows "
            # Who sends over HTTP was told at once what was refused, and must not be able to stop runs.
            "from landing.files where not starts_with(path, 'inbox:') group by source, run_id "
            f"having rejects >= {MIN_REJECTS_TO_JUDGE} and rejects > {MAX_REJECT_SHARE} * total_rows",
        ),
    ),
)

REJECTS = Table(
    "landing",
    "rejects",
    "a raw row refused, with the reason",
    (
        *LINEAGE,
        Column("source", f.Text, True),
        Column("reason", f.Text, True, "a code"),
        Column("detail", f.Text, False, "what is wrong, free of personal data"),
        Column("payload", f.Text, False, "the row as it came"),
        Column("run_id", f.RunId, True),
        Column("resolved_at", f.UtcTime, False, "when a replay mapped it after all"),
    ),
    references=(Reference("file_id", "landing.files", "file_id"),),
)
