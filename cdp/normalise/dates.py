"""Calendar dates."""

from datetime import date

import polars as pl

from cdp.normalise.cleaning import written

# Many systems write 1900-01-01 for "no date".
_FIRST_DATE = date(1900, 1, 2)
_ISO = "%Y-%m-%d"
_TIME = r"(?:[T ][0-9]{1,2}:[0-9]{2}.*)?"
_YEAR_FIRST = rf"^([0-9]{{4}})[-/.]([0-9]{{1,2}})[-/.]([0-9]{{1,2}}){_TIME}$"
_COMPACT = r"^([0-9]{4})([0-9]{2})([0-9]{2})$"
_DOTTED = rf"^([0-9]{{1,2}})\. ?([0-9]{{1,2}})\. ?([0-9]{{4}}){_TIME}$"
_SLASHED = rf"^([0-9]{{1,2}})[-/]([0-9]{{1,2}})[-/]([0-9]{{4}}){_TIME}$"


def normalise_dates(values: pl.DataFrame, today: date) -> pl.DataFrame:
    """Add `date`: the calendar date written in `raw`, or null.

    Reads ISO dates and datetimes (the date as written, in its own zone), yyyymmdd, dd.mm.yyyy and, with slashes or
    hyphens, day and month in the order of `country` (ISO 3166-1 alpha-2: US month first, others day first); if that is
    null, only if a single order is possible. Dates before 1900-01-02 or after `today` are null.
    """
    written_date = pl.col("date")
    dates = (
        values.select(pl.col("country").cast(pl.String), text=written())
        .select(
            "country",
            unambiguous=pl.coalesce(
                _date(_YEAR_FIRST, "$1-$2-$3"), _date(_COMPACT, "$1-$2-$3"), _date(_DOTTED, "$3-$2-$1")
            ),
            day_first=_date(_SLASHED, "$3-$2-$1"),
            month_first=_date(_SLASHED, "$3-$1-$2"),
        )
        .select(date=pl.coalesce("unambiguous", _in_country_order()))
        .select(pl.when(written_date.is_between(_FIRST_DATE, today)).then(written_date))
    )
    return values.with_columns(dates["date"])


def _date(form: str, iso: str) -> pl.Expr:
    text = pl.col("text")
    return pl.when(text.str.contains(form)).then(text.str.replace(form, iso)).str.to_date(_ISO, strict=False)


def _in_country_order() -> pl.Expr:
    country, day_first, month_first = pl.col("country"), pl.col("day_first"), pl.col("month_first")
    return (
        pl.when(day_first.is_null() | month_first.is_null() | (day_first == month_first))
        .then(pl.coalesce(day_first, month_first))
        .when(country == "US")
        .then(month_first)
        .when(country.is_not_null())
        .then(day_first)
    )
