import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import phonenumbers
import polars as pl
import pytest
import tzdata
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.normalise import (
    normalise_countries,
    normalise_dates,
    normalise_device_tokens,
    normalise_emails,
    normalise_identifiers,
    normalise_languages,
    normalise_names,
    normalise_phones,
    normalise_postcodes,
    read_countries,
)

Normalise = Callable[[pl.DataFrame], pl.DataFrame]
Value = tuple[str | None, str | None]

TODAY = date(2026, 6, 30)
FOLDER = Path(__file__).resolve().parents[2] / "data" / "reference"
REFERENCE = pl.read_csv(FOLDER / "countries.csv", infer_schema=False)
COUNTRIES = read_countries(FOLDER)
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
FORMATS = [
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
]
ALL: dict[str, Normalise] = {
    "phone": lambda values: normalise_phones(values, "US"),
    "email": normalise_emails,
    "name": normalise_names,
    "date": lambda values: normalise_dates(values, TODAY),
    "postcode": normalise_postcodes,
    "language": normalise_languages,
    "device_token": normalise_device_tokens,
}


def table(values: Iterable[Value]) -> pl.DataFrame:
    return pl.DataFrame(list(values), schema={"raw": pl.String, "country": pl.String}, orient="row")


def one(normalise: Normalise, raw: str | None, country: str | None = None) -> object:
    return normalise(table([(raw, country)])).item(0, -1)


# Phones


def expected_by_phonenumbers(raw: str | None, region: str) -> str | None:
    try:
        number = phonenumbers.parse(raw or "", region)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.is_possible_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if possible else None


def disagreements(values: list[Value]) -> list[tuple[Value, str | None, str | None]]:
    """(value, the library's answer, ours) where they differ; padded so that the queries are used."""
    padding: list[Value] = [(f"020 7946 {i:04}", "GB") for i in range(1000)]
    phones = normalise_phones(table(values + padding), "US")["phone"].to_list()
    answers = (
        (v, expected_by_phonenumbers(v[0], v[1] or "US"), phone) for v, phone in zip(values, phones, strict=False)
    )
    return [(value, theirs, ours) for value, theirs, ours in answers if theirs != ours]


def example_numbers(region: str) -> list[phonenumbers.PhoneNumber]:
    kinds = range(phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.VOICEMAIL + 1)
    examples = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    return [number for number in examples if number is not None]


def spellings(number: phonenumbers.PhoneNumber, abroad: str) -> list[str]:
    written = [phonenumbers.format_number(number, form) for form in FORMATS]
    written.append(phonenumbers.format_out_of_country_calling_number(number, abroad))
    plain = written[0]
    return [*written, plain[1:], f"{written[2]} x12", f"Tel: {written[1]} ext. 345", f"00{plain[1:]}"]


def generated_digits(draw: random.Random, region: str) -> str:
    code = str(phonenumbers.country_code_for_region(region))
    starts = ["", "", "0", "00", "1", "8", "+", code, f"+{code}", f"+{code} (0)", f"00{code}", f"011{code}"]
    digits = "".join(draw.choices("0123456789", k=draw.randint(1, 18)))
    spaced = "".join(d + draw.choice(["", "", "", " ", "-", ".", ") ", "/", "\u00a0"]) for d in digits)
    ends = ["", "", "", " x7", "x12x3", " ext. 12", "#", "\n", " / x3", ",,5", ";ext=5", " FLOWERS", "~2"]
    return draw.choice(starts) + draw.choice([digits, spaced]) + draw.choice(ends)


@pytest.mark.parametrize(
    ("raw", "country", "phone"),
    [
        ("(212) 555-0123", "US", "+12125550123"),
        ("1-212-555-0123", None, "+12125550123"),
        ("+44 (0)20 7946 0958", "US", "+442079460958"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("0044 20 7946 0958", "DE", "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("01 23 45 67 89", "FR", "+33123456789"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("212-555-0123 x99", "US", "+12125550123"),
        ("tel:2125550123;ext=99", "US", "+12125550123"),
        ("0000000000", "US", "+10000000000"),
        ("1234567890", "GB", "+441234567890"),
        ("020 7946 0958", "XX", None),
        ("+44 20 7946 0958", "XX", "+442079460958"),
        ("call me", "US", None),
        ("", "US", None),
        (None, "US", None),
    ],
)
def test_phone(raw: str | None, country: str | None, phone: str | None) -> None:
    assert one(ALL["phone"], raw, country) == phone
    assert disagreements([(raw, country)]) == []


@pytest.mark.slow
def test_phone_agrees_with_phonenumbers_on_valid_numbers_of_every_region() -> None:
    draw = random.Random(1)
    values = {
        (spelling, country)
        for region in REGIONS
        for number in example_numbers(region)
        for abroad in [draw.choice(REGIONS)]
        for spelling in spellings(number, abroad)
        for country in (region, abroad, None)
    }
    assert len(values) > 20_000
    assert disagreements(sorted(values, key=str)) == []


@pytest.mark.slow
def test_phone_agrees_with_phonenumbers_on_random_digits_and_junk() -> None:
    draw = random.Random(2)
    values: list[Value] = [
        (generated_digits(draw, region), draw.choice([region, region, None, "US", "ZZ"])) for region in REGIONS * 100
    ]
    assert disagreements(values) == []


def test_phone_agrees_with_phonenumbers_at_the_edges_of_its_rules() -> None:
    edges: list[Value] = [
        # A plus before an international prefix or a calling code that does not exist.
        ("+011 44 20 7946 0958", "US"),
        ("+0044 20 7946 0958", "GB"),
        ("+999 123 4567", "US"),
        ("+0 212 555 0123", "US"),
        # Two or three digits: valid in one spelling, invalid in another.
        ("12", "DE"),
        ("1 2", "DE"),
        ("+12", "DE"),
        ("123", "DE"),
        ("(1) 2-3", "KR"),
        # Longer than the library reads.
        ("212 555 0123" + " " * 250, "US"),
        ("212" + " " * 250 + "555 0123", "US"),
        # Region names that the library does not know.
        ("12345678", "+800"),
        ("+800 1234 5678", "001"),
        ("2125550123", "us"),
        # Digits and signs outside ASCII.
        ("＋４４２０７９４６０９５８", "US"),
        ("٢١٢٥٥٥٠١٢٣", "US"),
    ]
    assert disagreements(edges) == []
    assert expected_by_phonenumbers("+011 44 20 7946 0958", "US") == "+442079460958"


PHONE_LIKE = st.text(alphabet="0123456789" * 4 + "+ -.()/x#;,~*\u00a0\u2013\uff0b\u0663tel", max_size=24)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(PHONE_LIKE | st.text(), st.none() | st.sampled_from([*REGIONS, "us", "ZZ", "001", "+800", ""])),
        min_size=20,
        max_size=200,
    )
)
@pytest.mark.slow
def test_phone_agrees_with_phonenumbers_on_any_text(values: list[Value]) -> None:
    assert disagreements(values) == []


def test_phone_is_stable_for_valid_numbers() -> None:
    # An impossible-looking number (+44 00 123…) loses a zero each time, in the library too.
    numbers = [number for region in REGIONS for number in example_numbers(region)]
    valid = [phonenumbers.format_number(n, FORMATS[0]) for n in numbers if phonenumbers.is_valid_number(n)]
    assert len(valid) > 1000
    phones = normalise_phones(table((number, None) for number in valid), "US")
    assert phones.filter(pl.col("raw").ne_missing(pl.col("phone"))).is_empty()


def test_few_phones_need_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(3)
    number = {
        "US": lambda: phonenumbers.parse(f"+1{draw.randint(2_000_000_000, 9_899_999_999)}"),
        "GB": lambda: phonenumbers.parse(f"+447{draw.randint(400_000_000, 999_999_999)}"),
        "DE": lambda: phonenumbers.parse(f"+4915{draw.randint(100_000_000, 999_999_999)}"),
        "FR": lambda: phonenumbers.parse(f"+336{draw.randint(10_000_000, 99_999_999)}"),
    }
    values = [
        (spelling, region)
        for region in [*number] * 300
        for spelling in spellings(number[region](), "US")
        if ";" not in spelling and "tel:" not in spelling
    ]
    parsed = Counter[str]()
    parse = phonenumbers.parse

    def counting_parse(raw: str, region: str) -> phonenumbers.PhoneNumber:
        parsed[raw] += 1
        return parse(raw, region)

    monkeypatch.setattr(phonenumbers, "parse", counting_parse)
    normalise_phones(table(values), "US")
    assert parsed.total() < 0.02 * len(values)


# E-mail addresses


@pytest.mark.parametrize(
    ("raw", "email"),
    [
        ("  Ann.Lee@Shop.Example ", "ann.lee@shop.example"),
        ("Ann Lee <Ann@shop.example>", "ann@shop.example"),
        ('"Lee, Ann" <ann@shop.example>', "ann@shop.example"),
        ("mailto:ann@shop.example?subject=Hello", "ann@shop.example"),
        ("<MAILTO:ann@shop.example>", "ann@shop.example"),
        ("ann\u200b@shop.example\ufeff", "ann@shop.example"),
        ("ann+news@mail.shop.example", "ann+news@mail.shop.example"),
        ("o'brien@shop.example", "o'brien@shop.example"),
        ("jose\u0301@mu\u0308nchen.example", "josé@münchen.example"),
        ("a" * 64 + "@shop.example", "a" * 64 + "@shop.example"),
        ("a" * 65 + "@shop.example", None),
        ("a@" + "b" * 64 + ".example", None),
        ("a@" + "b." * 125 + "example", None),
        ("ann@shop", None),
        ("ann@@shop.example", None),
        ("ann@shop..example", None),
        ("ann@-shop.example", None),
        ("ann@192.0.2.1", None),
        (".ann@shop.example", None),
        ("ann lee@shop.example", None),
        ("not given", None),
        ("", None),
        (None, None),
    ],
)
def test_email(raw: str | None, email: str | None) -> None:
    assert one(normalise_emails, raw) == email


# Names


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("  Ann \t Lee ", "Ann Lee"),
        ("ANN O'BRIEN", "Ann O'Brien"),
        ("anne-marie mcdonald", "Anne-Marie Mcdonald"),
        ("Ann McDonald", "Ann McDonald"),
        ("Vincent van Gogh", "Vincent van Gogh"),
        ("Mr. John Smith", "John Smith"),
        ("MRS SMITH", "Smith"),
        ("Dr.Smith", "Smith"),
        ("Frau Prof. Dr. Müller", "Müller"),
        ("Dipl.-Ing. Hans Meier", "Hans Meier"),
        ("Drew Mrazek", "Drew Mrazek"),
        ("M. Night Shyamalan", "M. Night Shyamalan"),
        ("Jose\u0301", "José"),
        ("An\x00na", "Anna"),
        ("李雷", "李雷"),
        ("Mr", None),
        ("N/A", None),
        ("null", None),
        ("NONE", None),
        ("(unknown)", None),
        ("Test", None),
        ("-", None),
        (".", None),
        ("12345", None),
        ("", None),
        (None, None),
    ],
)
def test_name(raw: str | None, name: str | None) -> None:
    assert one(normalise_names, raw) == name


# Dates


@pytest.mark.parametrize(
    ("raw", "country", "expected"),
    [
        ("1985-03-04", None, date(1985, 3, 4)),
        ("1985-3-4", None, date(1985, 3, 4)),
        ("1985/03/04", None, date(1985, 3, 4)),
        ("1985-03-04T23:30:00-08:00", None, date(1985, 3, 4)),
        ("1985-03-04 00:00:00", None, date(1985, 3, 4)),
        ("19850304", None, date(1985, 3, 4)),
        ("04.03.1985", None, date(1985, 3, 4)),
        ("4. 3. 1985", "CZ", date(1985, 3, 4)),
        ("04/03/1985", "GB", date(1985, 3, 4)),
        ("03/04/1985", "US", date(1985, 3, 4)),
        ("03-04-1985", "US", date(1985, 3, 4)),
        ("03/04/1985", None, None),
        ("25/03/1985", None, date(1985, 3, 25)),
        ("03/25/1985", None, date(1985, 3, 25)),
        ("25/03/1985", "US", date(1985, 3, 25)),
        ("03/03/1985", None, date(1985, 3, 3)),
        ("29/02/2024", None, date(2024, 2, 29)),
        ("29/02/2023", None, None),
        ("1985-13-04", None, None),
        ("04/03/85", "GB", date(1985, 3, 4)),
        ("3/1/70", "US", date(1970, 3, 1)),
        ("8/20/91", None, date(1991, 8, 20)),
        ("20.8.91", None, date(1991, 8, 20)),
        ("06/30/26", "US", date(2026, 6, 30)),
        ("07/01/26", "US", date(1926, 7, 1)),
        ("24-May-11", None, date(2011, 5, 24)),
        ("19-Feb-91", None, date(1991, 2, 19)),
        ("24 May 2011", None, date(2011, 5, 24)),
        ("Mar 1 1970", None, date(1970, 3, 1)),
        ("MARCH 1st, 1970", None, date(1970, 3, 1)),
        ("1st Sept. 1970", None, date(1970, 9, 1)),
        ("30 Feb 1970", None, None),
        ("1861-04-01", None, date(1861, 4, 1)),
        ("0186-04-01", None, None),
        ("1900-01-01", None, None),
        ("30/12/1899", "GB", None),
        ("1753-01-01", None, None),
        ("1900-01-02", None, date(1900, 1, 2)),
        ("2026-06-30", None, date(2026, 6, 30)),
        ("2026-07-01", None, None),
        ("yesterday", None, None),
        ("", None, None),
        (None, "US", None),
    ],
)
def test_date(raw: str | None, country: str | None, expected: date | None) -> None:
    assert one(ALL["date"], raw, country) == expected


# Countries


def country_of(raw: str | None) -> object:
    return normalise_countries(pl.DataFrame({"raw": [raw]}), COUNTRIES).item(0, "country")


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        ("us", "US"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("United States of America", "US"),
        ("UK", "GB"),
        ("U.K.", "GB"),
        ("Scotland", "GB"),
        ("Deutschland", "DE"),
        ("ÖSTERREICH", "AT"),
        ("cote d’ivoire", "CI"),
        ("The Netherlands", "NL"),
        ("Trinidad & Tobago", "TT"),
        ("St. Lucia", "LC"),
        ("Россия", "RU"),
        ("日本", "JP"),
        ("Atlantis", None),
        ("XX", None),
        ("--", None),
        ("", None),
        (None, None),
    ],
)
def test_country(raw: str | None, country: str | None) -> None:
    assert country_of(raw) == country


def test_each_code_and_name_in_the_reference_stands_for_its_own_country() -> None:
    columns = ["code", "alpha3", "name"]
    spelled = REFERENCE.select(pl.concat_list(columns).alias("raw"), expected="code").explode("raw")
    aliases = REFERENCE.select(pl.col("aliases").str.split("|").alias("raw"), expected="code").explode("raw")
    read = normalise_countries(pl.concat([spelled, aliases.drop_nulls()]), COUNTRIES)
    assert read.filter(pl.col("country").ne_missing(pl.col("expected"))).rows() == []


def test_the_reference_has_the_countries_of_iso_3166() -> None:
    lines = (Path(tzdata.__file__).parent / "zoneinfo/iso3166.tab").read_text(encoding="utf-8").splitlines()
    codes = {line.split("\t")[0] for line in lines if not line.startswith("#")}
    # Kosovo's code is in use but not in the standard.
    assert set(REFERENCE["code"]) == codes | {"XK"}
    assert REFERENCE["code"].is_unique().all()
    assert REFERENCE["alpha3"].is_unique().all()


# Postcodes, languages, device tokens


@pytest.mark.parametrize(
    ("raw", "country", "postcode"),
    [
        ("sw1a1aa", "GB", "SW1A 1AA"),
        (" SW1A  1AA ", "GB", "SW1A 1AA"),
        ("m1 1ae", "GB", "M1 1AE"),
        ("SW1A", "GB", "SW1A"),
        ("1234ab", "NL", "1234 AB"),
        ("12345-6789", "US", "12345"),
        ("123456789", "US", "12345"),
        ("02134", "US", "02134"),
        ("k1a-0b1", "CA", "K1A 0B1"),
        (" 75001 ", "FR", "75001"),
        ("d02 x285", "IE", "D02 X285"),
        ("１００-0001", "JP", "100-0001"),
        ("sw1a1aa", None, "SW1A1AA"),
        ("-", "US", None),
        ("", "GB", None),
        (None, "GB", None),
    ],
)
def test_postcode(raw: str | None, country: str | None, postcode: str | None) -> None:
    assert one(normalise_postcodes, raw, country) == postcode


@pytest.mark.parametrize(
    ("raw", "language"),
    [
        ("en-US", "en"),
        ("en_US", "en"),
        ("EN", "en"),
        ("de_DE.UTF-8", "de"),
        ("zh-Hant-TW", "zh"),
        ("en-GB,en;q=0.9", "en"),
        ("fil", "fil"),
        ("iw_IL", "he"),
        ("und", None),
        ("English", None),
        ("C", None),
        ("", None),
        (None, None),
    ],
)
def test_language(raw: str | None, language: str | None) -> None:
    assert one(normalise_languages, raw) == language


@pytest.mark.parametrize(
    ("raw", "device_token"),
    [
        (" cXw1_k-9TQ2:APA91bHun4MxP5egoKMwt2 ", "cXw1_k-9TQ2"),
        ("cXw1_k-9TQ2", "cXw1_k-9TQ2"),
        ("740F4707BEBCF74F", "740F4707BEBCF74F"),
        ("  ", None),
        (None, None),
    ],
)
def test_device_token(raw: str | None, device_token: str | None) -> None:
    assert one(normalise_device_tokens, raw) == device_token


@pytest.mark.parametrize(
    ("kind", "raw", "platform_id"),
    [
        ("telegram_chat", " 1111111 ", "1111111"),
        ("telegram_chat", "4503599627370495", "4503599627370495"),
        # A group, a channel's name, more bits than there are.
        ("telegram_chat", "-1001234567890", None),
        ("telegram_chat", "@alpine", None),
        ("telegram_chat", "45035996273704951", None),
        ("telegram_chat", "007", None),
        ("telegram_chat", "", None),
        ("messenger_psid", "1254477777772919", "1254477777772919"),
        ("messenger_psid", "\u200b1254477777772919\n", "1254477777772919"),
        ("messenger_psid", "ann.lee", None),
        ("messenger_psid", "1254", None),
        # Digits of other scripts.
        ("messenger_psid", "١٢٥٤٤٧٧٧٧٧", None),
    ],
)
def test_platform_id(kind: str, raw: str, platform_id: str | None) -> None:
    assert normalise_identifiers(kind, [raw], "US") == [platform_id]


# Common properties


@pytest.mark.parametrize("column", ALL)
def test_an_empty_table_gets_its_column(column: str) -> None:
    untyped = ALL[column](pl.DataFrame({"raw": [], "country": []}))
    assert untyped.columns == ["raw", "country", column]
    assert untyped.schema[column] == (pl.Date if column == "date" else pl.String)
    assert untyped.is_empty()


def test_an_empty_table_gets_its_country() -> None:
    assert normalise_countries(pl.DataFrame({"raw": []}), COUNTRIES).schema["country"] == pl.String


@pytest.mark.parametrize("column", ALL)
def test_rows_and_other_columns_are_unchanged(column: str) -> None:
    raws = ["Ann <ann@shop.example>", None, "+44 20 7946 0958", "1985-03-04", "en-US", "  "] * 400
    values = table((raw, "GB") for raw in raws).with_row_index("id")
    assert ALL[column](values).drop(column).equals(values)


SCRAPS = [
    "mr. ",
    "DR ",
    "@",
    ".example",
    "<",
    ">",
    "mailto:",
    ":APA91b",
    "-",
    "'",
    "1985",
    "/03",
    "ŉ",
    "ß",
    "İ",
]
ANY_TEXT = st.text() | st.lists(st.sampled_from(SCRAPS) | st.text(max_size=4), max_size=8).map("".join)
COUNTRY = st.sampled_from(["US", "GB", "NL", "CA", "FR"]) | st.none()


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(ANY_TEXT | st.none(), COUNTRY), max_size=30))
def test_normalising_twice_changes_nothing(values: list[Value]) -> None:
    for column in ALL.keys() - {"phone"}:
        once = ALL[column](table(values)).drop_nulls(column)
        again = once.select("country", raw=pl.col(column).cast(pl.String))
        assert ALL[column](again)[column].to_list() == once[column].to_list(), column


@settings(deadline=None)
@given(st.lists(ANY_TEXT | st.none(), max_size=30))
@pytest.mark.slow
def test_countries_are_codes_or_null(raws: list[str | None]) -> None:
    countries = normalise_countries(pl.DataFrame({"raw": raws}, schema={"raw": pl.String}), COUNTRIES)
    assert set(countries["country"].drop_nulls()) <= set(REFERENCE["code"])
    assert countries["raw"].to_list() == raws
