"""Relations that Python provides to this folder's SQL; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "landed_now": "the files that one mapping reads: file_id, landed_at",
}
