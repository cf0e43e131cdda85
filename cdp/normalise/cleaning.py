"""The cleaning that all kinds of text share."""

import polars as pl


def written() -> pl.Expr:
    """Column `raw` as a person would see it.

    Without control and invisible characters, each run of white space one space, in Unicode NFC. The
    zero-width joiners stay: Persian and Indic names are spelled with them.
    """
    visible = pl.col("raw").cast(pl.String).str.replace_all(r"[[\p{Cc}\p{Cf}]--[\s\x{200c}\x{200d}]]", "")
    return visible.str.replace_all(r"\s+", " ").str.strip_chars().str.normalize("NFC")
