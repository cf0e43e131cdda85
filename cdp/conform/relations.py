"""Relations that Python makes for the SQL of this room; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "mapped": "what the sources' mappings say, a row an item: the columns of `cdp.sources.MAPPED`",
    "cleaned": "descriptions with clean values, by rowid",
    "timezones": "the names of time zones that DuckDB knows",
}
