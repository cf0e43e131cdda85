"""Normalises the values that describe people, so that equal values have the same spelling.

`normalise_descriptions` cleans whole descriptions of people; `normalise_identifiers` reads identifiers of any type as
callers write them. Each of the other functions takes a table with the column `raw` (and `country`, where the spelling
depends on it) and returns the same rows with one more column. No string raises an error. Callers pass distinct values.
"""

from cdp.normalise.dates import normalise_dates
from cdp.normalise.description import normalise_descriptions
from cdp.normalise.identifiers import normalise_identifiers, normalise_platform_ids
from cdp.normalise.person import (
    normalise_device_tokens,
    normalise_emails,
    normalise_languages,
    normalise_names,
)
from cdp.normalise.phone import normalise_phones
from cdp.normalise.place import normalise_countries, normalise_postcodes, read_countries

__all__ = [
    "normalise_countries",
    "normalise_dates",
    "normalise_descriptions",
    "normalise_device_tokens",
    "normalise_emails",
    "normalise_identifiers",
    "normalise_languages",
    "normalise_names",
    "normalise_phones",
    "normalise_platform_ids",
    "normalise_postcodes",
    "read_countries",
]
