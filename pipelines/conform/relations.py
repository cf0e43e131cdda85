"""Relations that Python makes for the SQL of this room; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "landed_now": "the files that one mapping reads: file_id, landed_at",
}
