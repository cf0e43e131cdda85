"""Phone numbers to E.164: the results of `phonenumbers`, a column at a time.

`phonenumbers` takes about 50 µs per number. Its rules for a plainly written number (digits, spaces and punctuation,
perhaps a plus or an extension) are a few patterns per numbering plan, so Polars applies them to all numbers of a plan
at once. Everything else is passed to the library itself.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache

import phonenumbers
import polars as pl
from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

# A label ("Tel.: "), the number, an extension. Semicolons (RFC 3966), letters within the number and the signs that may
# start an extension are not covered: the library reads those.
_LABEL = r"[ -*,-/:<-~\t\r\n]*"
_GAPS = r"[ .()/\x{a0}\x{2010}-\x{2015}-]*"
_EXTENSION = r" *(?i:extension|ext\.?|x) *[0-9]{1,7}"
_END = r"[ .()/\x{a0}\t\r\n-]*$"
_PLAIN = rf"^{_LABEL}\+?(?:{_GAPS}[0-9])+(?:{_EXTENSION})?{_END}"
_LONGEST_READ = 250
# Two or three digits are a valid number in some spellings only; the library knows which.
_FEWEST_PLAIN_DIGITS = 4
# Below this many values the library is faster than starting the queries.
_FEW_VALUES = 1000


def normalise_phones(values: pl.DataFrame, default_region: str) -> pl.DataFrame:
    """Add `phone`: the E.164 form of `raw`, or null if it cannot be a phone number.

    `values` has `raw` and `country` (ISO 3166-1 alpha-2; `default_region` if null). The result is that of
    `phonenumbers`: `parse(raw, country or default_region)`, `is_possible_number`, format as E.164. Possible means
    possible by length, so placeholders such as 0000000000 pass.
    """
    rows = values.select(
        raw=pl.col("raw").cast(pl.String),
        region=pl.col("country").cast(pl.String).replace("", None).fill_null(default_region),
    ).with_row_index("row")
    if rows.height < _FEW_VALUES:
        return values.with_columns(_read_with_library(rows)["phone"])
    plain = _read_plain(rows)
    rest = _read_with_library(rows.join(plain, on="row", how="anti"))
    return values.with_columns(pl.concat([plain, rest]).sort("row")["phone"])


def _read_with_library(rows: pl.DataFrame) -> pl.DataFrame:
    phones = [_e164(raw, region) for raw, region in rows.select("raw", "region").iter_rows()]
    return rows.select("row", pl.Series("phone", phones, dtype=pl.String))


def _e164(raw: str | None, region: str) -> str | None:
    if raw is None:
        return None
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _read_plain(rows: pl.DataFrame) -> pl.DataFrame:
    """`row` and `phone` of the rows that can be decided without the library."""
    plain = _plain_numbers(rows)
    in_region = pl.col("region").is_in(phonenumbers.SUPPORTED_REGIONS) & ~pl.col("has_plus")
    dialled = _by_plan(plain.filter(in_region), "region", _read_as_dialled)
    abroad = pl.concat([plain.filter("has_plus"), dialled.filter(pl.col("plan").is_null())], how="diagonal")
    national = pl.concat([dialled.drop_nulls("plan"), _split_calling_code(abroad)])
    phones = _by_plan(national, "plan", _format_possible)
    decided = pl.concat([plain.select("row"), _without_digits(rows)])
    return decided.join(phones, on="row", how="left")


def _plain_numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """Plainly written numbers as `row`, `region`, `number` (the digits) and `has_plus`."""
    raw, number = pl.col("raw"), pl.col("number")
    digits = raw.str.replace(rf"([0-9]){_EXTENSION}{_END}", "$1").str.replace_all("[^0-9]+", "")
    # The library reads an unknown calling code after a plus as part of a national number, so these are left to it.
    known_code = number.str.slice(0, 3).is_in(_calling_codes()["code"].implode())
    return (
        rows.filter(raw.str.contains(_PLAIN), raw.str.len_chars() <= _LONGEST_READ)
        .select("row", "region", number=digits, has_plus=raw.str.contains("+", literal=True))
        .filter(number.str.len_bytes() >= _FEWEST_PLAIN_DIGITS, known_code | ~pl.col("has_plus"))
    )


def _without_digits(rows: pl.DataFrame) -> pl.DataFrame:
    # There are further digits outside ASCII.
    return rows.filter(~pl.col("raw").fill_null("").str.contains(r"[0-9]|[^\x00-\x7f]")).select("row")


@dataclass(frozen=True)
class _Plan:
    """The numbering plan of a region, or of a calling code without a region, as patterns for Polars."""

    name: str
    main_plan: str
    calling_code: str
    international_prefix: str
    national_prefix: str
    national_prefix_groups: int
    national_prefix_replacement: str | None
    national_number: str
    lengths: frozenset[int]
    possible_lengths: frozenset[int]

    def is_national(self, number: pl.Expr) -> pl.Expr:
        return number.str.contains(self.national_number)

    def is_too_long(self, number: pl.Expr) -> pl.Expr:
        return number.str.len_bytes() > max(self.lengths)

    def strip_national_prefix(self, number: pl.Expr) -> pl.Expr:
        """The number without the national prefix, unless only the unstripped number is a national one."""
        stripped = number.str.replace(self.national_prefix, "")
        if self.national_prefix_replacement is not None:
            rewrites = number.str.extract(self.national_prefix, self.national_prefix_groups).is_not_null()
            rewritten = number.str.replace(self.national_prefix, self.national_prefix_replacement)
            stripped = pl.when(rewrites).then(rewritten).otherwise(stripped)
        return pl.when(self.is_national(number) & ~self.is_national(stripped)).then(number).otherwise(stripped)


def _by_plan(rows: pl.DataFrame, key: str, step: Callable[[pl.LazyFrame, _Plan], pl.LazyFrame]) -> pl.DataFrame:
    """Apply `step` to the rows of each plan that column `key` names."""
    plans = _plans()
    parts = rows.partition_by(key, as_dict=True)
    nothing = step(rows.clear().lazy(), plans["US"])
    steps = [step(part.lazy(), plans[name]) for (name,), part in parts.items()]
    return pl.concat(pl.collect_all([nothing, *steps]))


def _read_as_dialled(rows: pl.LazyFrame, plan: _Plan) -> pl.LazyFrame:
    """`row`, `number`, `plan` of numbers dialled in a region; the plan is null for international calls."""
    number, abroad, stripped = pl.col("number"), pl.col("abroad"), pl.col("stripped")
    dials_out = number.str.contains(plan.international_prefix) & ~abroad.str.starts_with("0")
    has_calling_code = number.str.starts_with(plan.calling_code) & (
        (~plan.is_national(number) & plan.is_national(stripped)) | plan.is_too_long(number)
    )
    return rows.with_columns(
        abroad=number.str.replace(plan.international_prefix, ""),
        stripped=plan.strip_national_prefix(number.str.slice(len(plan.calling_code))),
    ).select(
        "row",
        number=pl.when(dials_out).then(abroad).when(has_calling_code).then(stripped).otherwise(number),
        plan=pl.when(dials_out)
        .then(None)
        .when(has_calling_code)
        .then(pl.lit(plan.main_plan))
        .otherwise(pl.lit(plan.name)),
    )


def _split_calling_code(rows: pl.DataFrame) -> pl.DataFrame:
    """`row`, `number`, `plan` of international numbers, except those with an unknown calling code."""
    rows = rows.with_columns(code=pl.col("number").str.slice(0, 3)).join(_calling_codes(), on="code")
    return rows.select("row", pl.col("number").str.slice(pl.col("code_length")), plan="main_plan")


def _format_possible(rows: pl.LazyFrame, plan: _Plan) -> pl.LazyFrame:
    """`row`, `phone` of the numbers that are possible by length."""
    number, stripped = pl.col("number"), pl.col("stripped")
    is_long_enough = stripped.str.len_bytes().is_in(plan.lengths) | plan.is_too_long(stripped)
    return (
        rows.with_columns(stripped=plan.strip_national_prefix(number))
        .select("row", number=pl.when(is_long_enough).then(stripped).otherwise(number))
        .filter(number.str.len_bytes().is_in(plan.possible_lengths))
        .select("row", phone=pl.lit("+" + plan.calling_code) + number)
    )


@cache
def _plans() -> dict[str, _Plan]:
    """Every numbering plan by name: its region, or its calling code if it has no region (`+800`)."""
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    plans = [_plan(code, region, regions[0]) for code, regions in codes for region in regions]
    return {plan.name: plan for plan in plans}


def _plan(code: int, region: str, main_region: str) -> _Plan:
    metadata, numbers = _metadata(code, region)
    _, main_numbers = _metadata(code, main_region)
    prefix, replacement = metadata.national_prefix_for_parsing, metadata.national_prefix_transform_rule
    return _Plan(
        name=_plan_name(code, region),
        main_plan=_plan_name(code, main_region),
        calling_code=str(code),
        international_prefix=_pattern(metadata.international_prefix),
        national_prefix=_pattern(prefix),
        national_prefix_groups=re.compile(prefix or "").groups,
        national_prefix_replacement=re.sub(r"\\(\d)", r"${\1}", replacement) if replacement else None,
        national_number=_pattern(numbers.national_number_pattern) + "$",
        lengths=frozenset(numbers.possible_length),
        # The library validates the finished number by the main region of its calling code.
        possible_lengths=frozenset(main_numbers.possible_length + main_numbers.possible_length_local_only),
    )


def _metadata(code: int, region: str) -> tuple[PhoneMetadata, PhoneNumberDesc]:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    assert metadata and metadata.general_desc, "the library has metadata for every region that it lists"
    return metadata, metadata.general_desc


def _plan_name(code: int, region: str) -> str:
    return f"+{code}" if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else region


def _pattern(pattern: str | None) -> str:
    # For a part that a plan does not have: digits never match letters.
    return rf"(?-u)^(?:{pattern or 'none'})"


@cache
def _calling_codes() -> pl.DataFrame:
    """`code` (three digits), the `main_plan` whose calling code it starts with, and its `code_length`."""
    mains = {plan.calling_code: plan.main_plan for plan in _plans().values()}
    starts = [(str(start), code) for start in range(100, 1000) if (code := _calling_code(str(start), mains))]
    rows = [(start, mains[code], len(code)) for start, code in starts]
    return pl.DataFrame(rows, schema=["code", "main_plan", "code_length"], orient="row")


def _calling_code(start: str, known: Collection[str]) -> str | None:
    return next((start[:length] for length in (1, 2, 3) if start[:length] in known), None)
