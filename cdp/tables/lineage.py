"""The columns that name the raw line a row comes from."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column

LINEAGE = (Column("file_id", f.FileId, True), Column("line_number", f.LineNumber, True))
