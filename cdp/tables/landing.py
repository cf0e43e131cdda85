"""The schema `landing`: ingested files and rejected rows."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Reference, Rule, Table
from cdp.tables.lineage import LINEAGE

# If many rows of a source are rejected, it is broken or its format has changed, and nothing of it may be published.
# Fewer than three rejected rows are no indication.
MAX_REJECT_SHARE = 0.25
MIN_REJECTS_TO_JUDGE = 3

FILES = Table(
    "landing",
    "files",
    "an ingested file, or batch of the API's inbox",
    (
        Column("file_id", f.FileId, True),
        Column("source", f.Text, True, "the source of the log"),
        Column("format", f.Text, True, "the source that reads it, as listed by `cdp sources`"),
        Column("path", f.Text, True, "where it was read"),
        Column("sha256", f.Hash, True, "hash of the file's bytes"),
        Column("byte_count", f.Count, True),
        Column("row_count", f.Count, True, "lines or records read, including rejected ones"),
        Column("reject_count", f.Count, True, "rejected lines or records"),
        Column("mapping", f.Json, False, "the mapping used, if the format needs one"),
        Column("landed_at", f.UtcTime, True),
        Column("run_id", f.RunId, True),
    ),
    key=("file_id",),
    rules=(
        Rule(
            "reject_share",
            f"no source has more than {MAX_REJECT_SHARE:.0%} of its rows rejected in one run",
            "select source, run_id, sum(reject_count) as rejects, sum(row_count) as total_rows "
            # HTTP clients learn of rejected payloads at once, and must not be able to stop runs.
            "from landing.files where not starts_with(path, 'inbox:') group by source, run_id "
            f"having rejects >= {MIN_REJECTS_TO_JUDGE} and rejects > {MAX_REJECT_SHARE} * total_rows",
        ),
    ),
)

REJECTS = Table(
    "landing",
    "rejects",
    "a rejected raw row, with the reason",
    (
        *LINEAGE,
        Column("source", f.Text, True),
        Column("reason", f.Text, True, "a code"),
        Column("detail", f.Text, False, "what is wrong, without personal data"),
        Column("payload", f.Text, False, "the row as received"),
        Column("run_id", f.RunId, True),
        Column("resolved_at", f.UtcTime, False, "when a replay mapped it successfully"),
    ),
    references=(Reference("file_id", "landing.files", "file_id"),),
)
