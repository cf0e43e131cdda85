"""The least that reading logs can cost: DuckDB parses every row of a folder's files and keeps three fields of it.

`python -m tests.benchmarks.floor FOLDER DATABASE`, a process of its own so that its memory can be told. JSON is read
by DuckDB's own parallel reader and `json_extract_string`, CSV by its CSV reader; the fields go into one table. Broken
lines are passed over, and a document that wraps its records counts as one row: the floor reads a few rows less. There
is no landing, no mapping, no normalising, no deduplication, no identity and no check.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

FIELDS = ["$.email", "$.timestamp", "$.event"]
LARGEST_DOCUMENT = 1 << 30

LINES = (
    "select json_extract_string(json, $fields) "
    "from read_json_objects($paths, format = 'newline_delimited', ignore_errors = true)"
)
DOCUMENTS = (
    "select json_extract_string(json, $fields) "
    f"from read_json_objects($paths, format = 'auto', maximum_object_size = {LARGEST_DOCUMENT})"
)
CSV = (
    "select fields[:3] from (select list_value(*columns(*)) as fields "
    "from read_csv($path, all_varchar = true, header = true, ignore_errors = true))"
)


def read_all(folder: Path, database: Path) -> int:
    """Write the fields of all rows to `database`; returns the number of rows."""
    lines = [str(path) for path in folder.iterdir() if ".jsonl" in path.suffixes]
    documents = [str(path) for path in folder.iterdir() if path.suffix == ".json"]
    tables = [path for path in folder.glob("*.csv") if "truth" not in path.name]
    with duckdb.connect(str(database)) as connection:
        connection.execute("create table rows (fields varchar[])")
        for query, paths in ((LINES, lines), (DOCUMENTS, documents)):
            connection.execute(f"insert into rows {query}", {"paths": paths, "fields": FIELDS})
        for path in tables:
            connection.execute(f"insert into rows {CSV}", {"path": str(path)})
        connection.execute("checkpoint")
        counted = connection.execute("select count(*) from rows").fetchone()
    return int(counted[0]) if counted else 0


if __name__ == "__main__":
    print(read_all(Path(sys.argv[1]), Path(sys.argv[2])))
