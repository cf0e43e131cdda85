"""Cleaning common to all kinds of text."""

import polars as pl


def written() -> pl.Expr:
    """Column `raw` as a person would see it.

    Control and invisible characters are removed, white space is collapsed to single spaces, and the text is in Unicode
    NFC. Zero-width joiners are kept, because Persian and Indic names are spelled with them.
    """
    visible = pl.col("raw").cast(pl.String).str.replace_all(r"[[\p{Cc}\p{Cf}]--[\s\x{200c}\x{200d}]]", "")
    return visible.str.replace_all(r"\s+", " ").str.strip_chars().str.normalize("NFC")
