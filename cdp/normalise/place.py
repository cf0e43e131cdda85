"""Countries and postcodes."""

from pathlib import Path

import polars as pl

from cdp.normalise.cleaning import written

_BRITISH = ["GB", "GG", "IM", "JE"]


def normalise_countries(values: pl.DataFrame, countries: pl.DataFrame) -> pl.DataFrame:
    """Add `country`: the ISO 3166-1 alpha-2 code of the country that `raw` names, or null.

    `countries`: see `read_countries`. Case, accents, spaces and punctuation are ignored.
    """
    keyed = values.with_columns(country_key=_country_key(written()))
    return keyed.join(countries, on="country_key", how="left", maintain_order="left").drop("country_key")


def read_countries(folder: Path) -> pl.DataFrame:
    """country_key, country: the country that each spelling of its name or code names.

    `countries.csv` in the folder has `code`, `alpha3`, `name` and `aliases` (separated by `|`).
    """
    reference = pl.read_csv(folder / "countries.csv", infer_schema=False)
    spellings = pl.concat_list("code", "alpha3", "name", pl.col("aliases").fill_null("").str.split("|"))
    spelled = reference.select(country="code", spelling=spellings).explode("spelling")
    keys = spelled.select(_country_key(pl.col("spelling")).alias("country_key"), "country")
    return keys.filter(pl.col("country_key") != "").unique("country_key", keep="first", maintain_order=True)


def _country_key(spelling: pl.Expr) -> pl.Expr:
    without_accents = spelling.str.normalize("NFKD").str.replace_all(r"\p{M}+", "").str.to_lowercase()
    return without_accents.str.replace_all("&", "and").str.replace_all(r"[^\p{L}]+", "")


def normalise_postcodes(values: pl.DataFrame) -> pl.DataFrame:
    """Add `postcode`: `raw` in upper case, spaced as is usual in `country` (ISO 3166-1 alpha-2 or null).

    GB `SW1A 1AA`, NL `1234 AB`, CA `K1A 0B1`, US the five digits of a ZIP+4; elsewhere trimmed. Values that do not
    have the country's format are left unchanged; those without a letter or digit are null.
    """
    postcode, country = pl.col("postcode"), pl.col("country")
    postcodes = (
        # NFKC first: it turns full-width digits into ASCII ones and some signs into spaces.
        values.select(pl.col("raw", "country").cast(pl.String))
        .select("country", raw=pl.col("raw").str.normalize("NFKC").str.to_uppercase().str.normalize("NFKC"))
        .select("country", postcode=written())
        .with_columns(compact=postcode.str.replace_all("[^A-Z0-9]+", ""))
        .select(
            pl.when(country.is_in(_BRITISH))
            .then(_in_form(r"^([A-Z]{1,2}[0-9][A-Z0-9]?|GIR)([0-9][A-Z]{2})$", "$1 $2"))
            .when(country == "NL")
            .then(_in_form(r"^([0-9]{4})([A-Z]{2})$", "$1 $2"))
            .when(country == "CA")
            .then(_in_form(r"^([A-Z][0-9][A-Z])([0-9][A-Z][0-9])$", "$1 $2"))
            .when(country == "US")
            .then(_in_form(r"^([0-9]{5})[0-9]{4}$", "$1"))
            .otherwise(postcode)
            .alias("postcode")
        )
        .select(pl.when(postcode.str.contains(r"[\p{L}\p{N}]")).then(postcode))
    )
    return values.with_columns(postcodes["postcode"])


def _in_form(form: str, spaced: str) -> pl.Expr:
    compact = pl.col("compact")
    return pl.when(compact.str.contains(form)).then(compact.str.replace(form, spaced)).otherwise("postcode")
