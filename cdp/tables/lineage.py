"""The columns by which a row names the raw line that it comes from."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column

LINEAGE = (Column("file_id", f.FileId, True), Column("line_number", f.LineNumber, True))
