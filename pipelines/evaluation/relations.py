"""Relations that Python provides to this folder's SQL; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "line_truth": "the person of each line: file, line_number, person_id",
}
