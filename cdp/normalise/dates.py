"""Calendar dates."""

from datetime import date

import polars as pl

from cdp.normalise.cleaning import written

# People of history have birthdays, too; what is older is a year that was mistyped.
_FIRST_DATE = date(1000, 1, 1)
# What systems write for "no date": the first day that they know, or spreadsheets' day 0.
_NO_DATES = (date(1900, 1, 1), date(1899, 12, 30), date(1899, 12, 31), date(1753, 1, 1), date(1601, 1, 1))
_ISO = "%Y-%m-%d"
_TIME = r"(?:[T ][0-9]{1,2}:[0-9]{2}.*)?"
_DAY, _MONTH = "(?P<day>[0-9]{1,2})", "(?P<month>[0-9]{1,2})"
_LONG_YEAR = "(?P<year>[0-9]{4})"
_YEAR = f"(?:{_LONG_YEAR}|(?P<short_year>[0-9]{{2}}))"
_YEAR_FIRST = rf"^{_LONG_YEAR}[-/.]{_MONTH}[-/.]{_DAY}{_TIME}$"
_COMPACT = rf"^{_LONG_YEAR}(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})$"
_DOTTED = rf"^{_DAY}\. ?{_MONTH}\. ?{_YEAR}{_TIME}$"
_DAY_FIRST = rf"^{_DAY}[-/]{_MONTH}[-/]{_YEAR}{_TIME}$"
_MONTH_FIRST = rf"^{_MONTH}[-/]{_DAY}[-/]{_YEAR}{_TIME}$"
# English names of months, long and short, such as Sept. or JUNE.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_NTH = rf"{_DAY}(?:st|nd|rd|th)?"
_NAMED = (rf"(?i)^{_NTH}[-/ ]{_NAME}[-/, ]+{_YEAR}$", rf"(?i)^{_NAME}[-/ ]{_NTH}[-/, ]+{_YEAR}$")
_NUMBERS = {name: str(number) for number, name in enumerate(_MONTHS, 1)}


def normalise_dates(values: pl.DataFrame, today: date) -> pl.DataFrame:
    """Add `date`: the calendar date written in `raw`, or null.

    Reads ISO dates and datetimes (the date as written, in its own zone), yyyymmdd, dd.mm.yyyy, days with an English
    month name and, with slashes or hyphens, day and month in the order of `country` (ISO 3166-1 alpha-2: US month
    first, others day first); if that is null, only if a single order is possible. Of two centuries that a year of two
    digits could be in, it is in the later one that has it by `today`. Dates before the year 1000 or after `today`, and
    those that stand for none, such as 1900-01-01, are null.
    """
    found = pl.col("date")
    dates = (
        values.select(pl.col("country").cast(pl.String), text=written())
        .select(
            "country",
            unambiguous=pl.coalesce(_date(form, today) for form in (_YEAR_FIRST, _COMPACT, _DOTTED, *_NAMED)),
            day_first=_date(_DAY_FIRST, today),
            month_first=_date(_MONTH_FIRST, today),
        )
        .select(date=pl.coalesce("unambiguous", _in_country_order()))
        .select(pl.when(found.is_between(_FIRST_DATE, today) & ~found.is_in(_NO_DATES)).then(found))
    )
    return values.with_columns(dates["date"])


def _date(form: str, today: date) -> pl.Expr:
    """The date in a text of this form."""
    parts = pl.col("text").str.extract_groups(form).struct
    rest = pl.format("{}-{}", parts.field("month").str.to_lowercase().replace(_NUMBERS), parts.field("day"))
    full = _of(parts.field("year"), rest)
    if "short_year" not in form:
        return full
    this_century, last_century = (_of(pl.lit(digits) + parts.field("short_year"), rest) for digits in ("20", "19"))
    return pl.coalesce(full, pl.when(this_century <= today).then(this_century).otherwise(last_century))


def _of(year: pl.Expr, rest: pl.Expr) -> pl.Expr:
    return pl.format("{}-{}", year, rest).str.to_date(_ISO, strict=False)


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
