"""Relations that Python makes for the SQL of this room; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "line_truth": "who is behind which line: file, line_number, person_id",
}
