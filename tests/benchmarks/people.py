"""Documents of invented people, as long as real ones, for the store's and the API's benchmarks."""

from __future__ import annotations

import hashlib
import json

import polars as pl

from tests.api.service import DOCUMENT

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def profile_id(number: int) -> str:
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append(CROCKFORD[digit])
    return "prf_" + "".join(reversed(digits))


def documents(count: int) -> pl.DataFrame:
    """profile_id, document, document_hash."""
    texts = [_document(number) for number in range(count)]
    return pl.DataFrame(
        {
            "profile_id": [profile_id(number) for number in range(count)],
            "document": texts,
            "document_hash": [hashlib.md5(text.encode()).hexdigest() for text in texts],
        }
    )


def _document(number: int) -> str:
    traits = {**DOCUMENT["traits"], "email": f"person{number}@example.com"}
    evidence = DOCUMENT["trait_evidence"] * 12
    return json.dumps({**DOCUMENT, "profile_id": profile_id(number), "traits": traits, "trait_evidence": evidence})
