"""Invented people: names, households, addresses, contact data and habits.

A person's row holds the truth at the end of the period; `former_*` columns hold the values before `*_changed_at`
(`NEVER` if nothing changed).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.simulate.clock import TIMEZONES, Clock
from pipelines.simulate.draw import Flags, Ints, Rng, chance, indices, pick, scrambled, zipf_weights
from pipelines.simulate.vocabulary import (
    CITIES,
    COUNTRIES,
    EMAIL_DOMAINS,
    ENGLISH_STREET_KINDS,
    FEMALE_NAMES,
    MALE_NAMES,
    NICKNAMES,
    STREETS,
    SURNAMES,
    Country,
    postcode_endings,
)

NEVER = -1
MOBILES_A_PERSON = 3
# Days since the epoch.
_BORN_1940, _BORN_1984, _BORN_2000, _BORN_2008 = -10_957, 5_113, 10_957, 13_900


def make_people(rng: Rng, clock: Clock, first: int, count: int, seed: int) -> pl.DataFrame:
    """`count` people in complete households; `index` starts at `first` and runs over the whole simulation."""
    homes, household = _households(rng, first, count)
    people = homes.select(pl.all().gather(household)).with_columns(
        index=pl.Series(np.arange(first, first + count), dtype=pl.Int64),
        role=pl.Series(_roles(household)),
    )
    people = _with_birth(rng, people)
    people = _with_names(rng, people)
    people = _with_numbers(rng, clock, people, seed)
    people = _with_changes(rng, clock, people)
    people = _with_emails(rng, people, seed)
    people = _with_habits(rng, people)
    return people.with_columns(
        person_id=pl.format("p{}", pl.col("index").cast(pl.String).str.zfill(7)),
    )


def _roles(household: Ints) -> Ints:
    """Position in the household: 0 and 1 are a couple, later ones are grown-up children."""
    starts = np.flatnonzero(np.diff(household, prepend=-1))
    return np.arange(len(household)) - np.repeat(starts, np.diff(np.append(starts, len(household))))


def _households(rng: Rng, first: int, count: int) -> tuple[pl.DataFrame, Ints]:
    sizes = indices(rng, count, [0.38, 0.32, 0.13, 0.11, 0.06]) + 1
    household = np.repeat(np.arange(count), sizes)[:count]
    homes = int(household[-1]) + 1
    city = indices(rng, homes, [city.weight for city in CITIES])
    number = np.arange(first, first + homes)
    frame = pl.DataFrame({"city_index": city, "home": number}).with_columns(
        household_id=pl.format("h{}", pl.col("home").cast(pl.String).str.zfill(7)),
        family_draw=pl.Series(rng.random(homes)),
        tablet_draw=pl.Series(rng.random(homes)),
    )
    frame = _with_city(frame)
    return frame.with_columns(
        *_address(rng, frame, ""),
        *_address(rng, frame, "former_"),
        surname=_by_naming(rng, frame["naming"], SURNAMES),
        landline=_landlines(rng, frame),
    ), household


def _with_city(frame: pl.DataFrame) -> pl.DataFrame:
    countries = {country.code: country for country in COUNTRIES}
    rows = [
        (
            city.country,
            countries[city.country].name,
            countries[city.country].naming,
            countries[city.country].locale,
            countries[city.country].currency,
            city.name,
            city.region,
            city.timezone,
            TIMEZONES.index(city.timezone),
        )
        for city in CITIES
    ]
    names = ["country", "country_name", "naming", "locale", "currency", "city", "region", "timezone", "zone"]
    cities = pl.DataFrame(rows, schema=names, orient="row")
    return frame.hstack(cities.select(pl.all().gather(frame["city_index"])))


def _by_naming(rng: Rng, naming: pl.Series, vocabulary: dict[str, list[str]]) -> pl.Series:
    """A name per row from the vocabulary of its language."""
    count = len(naming)
    drawn = {lang: pick(rng, words, count, zipf_weights(len(words))) for lang, words in vocabulary.items()}
    frame = pl.DataFrame(drawn).with_columns(naming=naming)
    choice = pl.coalesce(pl.when(pl.col("naming") == lang).then(pl.col(lang)) for lang in vocabulary)
    return frame.select(choice.alias("name")).to_series()


def _address(rng: Rng, homes: pl.DataFrame, prefix: str) -> list[pl.Series]:
    count = homes.height
    frame = homes.select("naming", "country", "city_index").with_columns(
        street=_by_naming(rng, homes["naming"], STREETS),
        kind=pick(rng, ENGLISH_STREET_KINDS, count, [6, 4, 4, 2, 2, 1]),
        number=pl.Series(rng.integers(1, 260, count)),
        ending=_postcode_endings(rng, homes["country"]),
        start=pl.Series([city.postcode for city in CITIES]).gather(homes["city_index"]),
    )
    english, french = pl.col("naming") == "english", pl.col("naming") == "french"
    street = (
        pl.when(english)
        .then(pl.format("{} {} {}", "number", "street", "kind"))
        .when(french)
        .then(pl.format("{} {}", "number", "street"))
        .otherwise(pl.format("{} {}", "street", "number"))
    )
    made = frame.select(
        street.alias(f"{prefix}street"), (pl.col("start") + pl.col("ending")).alias(f"{prefix}postcode")
    )
    return made.get_columns()


def _postcode_endings(rng: Rng, country: pl.Series) -> pl.Series:
    count = len(country)
    drawn = {one.code: pick(rng, postcode_endings(one.code), count) for one in COUNTRIES}
    choice = pl.coalesce(pl.when(country == code).then(pl.lit(ending)) for code, ending in drawn.items())
    return pl.select(choice).to_series()


def _landlines(rng: Rng, homes: pl.DataFrame) -> pl.Series:
    """A number per household in international format; about half of the households have none."""
    digits = {country.code: country.landline_digits for country in COUNTRIES}
    calling = {country.code: country.calling_code for country in COUNTRIES}
    starts = pl.Series([f"+{calling[city.country]}{city.area_code}" for city in CITIES])
    widths = pl.Series([digits[city.country] for city in CITIES]).gather(homes["city_index"])
    frame = pl.DataFrame({"start": starts.gather(homes["city_index"]), "home": homes["home"], "width": widths})
    number = ((pl.col("home") * 7_919) % 10 ** pl.col("width")).cast(pl.String)
    padded = pl.when(pl.col("width") == 6).then(number.str.zfill(6)).otherwise(number.str.zfill(7))
    has_one = pl.Series(chance(rng, 0.45, homes.height))
    return frame.select(pl.when(has_one).then(pl.col("start") + padded)).to_series()


def _with_birth(rng: Rng, people: pl.DataFrame) -> pl.DataFrame:
    """Couples are of similar age, children 22 to 38 years younger; 10% of the two eldest children are twins."""
    count = people.height
    home = people["home"].to_numpy() - people["home"][0]
    role = people["role"].to_numpy()
    with_children = people.select(pl.len().over("home") > 2).to_series().to_numpy()
    latest = np.where(with_children, _BORN_1984, _BORN_2000)
    parent = (_BORN_1940 + rng.random(count)[home] * (latest - _BORN_1940)).astype(np.int64)
    years = np.minimum(5_900, _BORN_2008 - 8_000 - parent)
    twins = chance(rng, 0.1, count)[home] & (role <= 3)
    draw = np.where(twins, rng.random(count)[home], rng.random(count))
    child = parent + 8_000 + (draw * years).astype(np.int64)
    partner = parent + rng.integers(-1_500, 1_500, count)
    birth = np.where(role == 0, parent, np.where(role == 1, partner, child))
    female = chance(rng, 0.5, count)
    female = np.where((role == 1) & chance(rng, 0.93, count), ~np.roll(female, 1), female)
    return people.with_columns(
        birth=pl.Series(birth).cast(pl.Int32).cast(pl.Date),
        female=pl.Series(female.astype(bool)),
    )


def _with_names(rng: Rng, people: pl.DataFrame) -> pl.DataFrame:
    """Given names, nicknames and surnames; one in seven eldest children has the given name of its parent."""
    count = people.height
    people = people.with_columns(
        man=_by_naming(rng, people["naming"], MALE_NAMES),
        woman=_by_naming(rng, people["naming"], FEMALE_NAMES),
        own_surname=_by_naming(rng, people["naming"], SURNAMES),
        namesake=pl.Series(chance(rng, 0.15, count)),
        keeps_surname=pl.Series(chance(rng, 0.2, count)),
    ).with_columns(first_name=pl.when("female").then("woman").otherwise("man"))
    parent = (pl.col("role") == 2) & pl.col("namesake") & (pl.col("female").shift(2) == pl.col("female"))
    unmarried = (pl.col("role") == 1) & pl.col("keeps_surname")
    return people.with_columns(
        first_name=pl.when(parent).then(pl.col("first_name").shift(2)).otherwise("first_name"),
        last_name=pl.when(unmarried).then("own_surname").otherwise("surname"),
    ).with_columns(nickname=pl.col("first_name").replace_strict(NICKNAMES, default=None))


def _with_numbers(rng: Rng, clock: Clock, people: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Mobile numbers. Some people change theirs, and some of the released numbers are assigned to someone else.

    A number is released in the first quarter of the period and assigned again after two thirds of it.
    """
    count = people.height
    mobile, former = (_mobiles(people, slot, seed) for slot in (0, 1))
    changes = chance(rng, 0.05, count)
    changed_at = clock.at_fraction(rng.uniform(0.05, 0.25, count))
    giver, taker = _handed_on(rng, people, changes)
    changes[taker] = True
    changed_at[taker] = clock.at_fraction(rng.uniform(0.65, 0.8, len(taker)))
    return people.with_columns(
        mobile=mobile.scatter(taker, former.gather(giver)),
        former_mobile=former,
        number_changed_at=pl.Series(np.where(changes, changed_at, NEVER)),
    )


def _handed_on(rng: Rng, people: pl.DataFrame, changes: Flags) -> tuple[Ints, Ints]:
    """Pairs of a person who released a number and one of the same country who gets it: one in eighty people."""
    country = people["country"].to_numpy()
    order = rng.permutation(people.height)
    givers, takers = order[changes[order]][: max(1, people.height // 80)], order[~changes[order]]
    pairs = [_pair(givers[country[givers] == code], takers[country[takers] == code]) for code in np.unique(country)]
    return np.concatenate([giver for giver, _ in pairs]), np.concatenate([taker for _, taker in pairs])


def _pair(givers: Ints, takers: Ints) -> tuple[Ints, Ints]:
    size = min(len(givers), len(takers))
    return givers[:size], takers[:size]


def _mobiles(people: pl.DataFrame, slot: int, seed: int) -> pl.Series:
    """The `slot`-th mobile number of each person, unique across people."""
    index = people["index"].to_numpy() * MOBILES_A_PERSON + slot
    numbers = {country.code: _numbers_of(country, index, seed) for country in COUNTRIES}
    choice = pl.coalesce(pl.when(people["country"] == code).then(pl.lit(number)) for code, number in numbers.items())
    return pl.select(choice).to_series()


def _numbers_of(country: Country, index: Ints, seed: int) -> pl.Series:
    span = 10**country.mobile_digits
    number = scrambled(index, span * len(country.mobile_prefixes), seed)
    starts = pl.Series([f"+{country.calling_code}{prefix}" for prefix in country.mobile_prefixes])
    free = pl.Series(number % span).cast(pl.String).str.zfill(country.mobile_digits)
    return starts.gather(number // span) + free


def _with_changes(rng: Rng, clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    """Moves from a former address to that of the household, and surname changes by marriage."""
    count = people.height
    moves = chance(rng, 0.06, count)
    marries = chance(rng, 0.35, count) & people["female"].to_numpy() & (people["role"].to_numpy() == 1)
    marries &= ~people["keeps_surname"].to_numpy()
    moved_at = clock.at_fraction(rng.uniform(-1.5, 0.9, count))
    married_at = clock.at_fraction(rng.uniform(-1.5, 0.9, count))
    return people.with_columns(
        moved_at=pl.Series(np.where(moves, moved_at, NEVER)),
        married_at=pl.Series(np.where(marries, married_at, NEVER)),
        former_last_name=pl.col("own_surname"),
    )


def _with_emails(rng: Rng, people: pl.DataFrame, seed: int) -> pl.DataFrame:
    """A main and a second address per person, and a shared one for some families.

    A number makes each address unique; few people use the same number in both."""
    count = people.height
    number = scrambled(people["index"].to_numpy(), 9_999_991, seed)
    another = scrambled(people["index"].to_numpy(), 9_999_973, seed + 2)
    main_number = pl.Series(number).cast(pl.String)
    other_number = pl.Series(np.where(chance(rng, 0.15, count), number, another)).cast(pl.String)
    main_domain = indices(rng, count, zipf_weights(len(EMAIL_DOMAINS)))
    other_domain = (main_domain + rng.integers(1, len(EMAIL_DOMAINS), count)) % len(EMAIL_DOMAINS)
    frame = people.select(_plain("first_name"), _plain("last_name"), _plain("surname"), "home", "family_draw", "role")
    domains = pl.Series(EMAIL_DOMAINS)
    style = pl.Series(rng.integers(0, 5, count))
    family_domain = domains.gather(people["home"].to_numpy() % len(EMAIL_DOMAINS))
    home = pl.Series(scrambled(people["home"].to_numpy(), 9_999_991, seed + 1)).cast(pl.String)
    alone = people.select(pl.len().over("home") == 1).to_series()
    local = frame.select(
        main=_local_part(style) + main_number,
        other=_local_part((style + 2) % 5) + other_number,
        family=pl.col("surname") + ".family" + home,
    )
    return people.with_columns(
        email_main=local["main"] + "@" + domains.gather(main_domain),
        email_other=local["other"] + "@" + domains.gather(other_domain),
        email_family=pl.when((people["family_draw"] < 0.3) & ~alone).then(local["family"] + "@" + family_domain),
    )


def _plain(name: str) -> pl.Expr:
    """The letters of a name, reduced to those allowed in an address."""
    folded = pl.col(name).str.normalize("NFKD").str.to_lowercase().str.replace_all("ı", "i", literal=True)
    return folded.str.replace_all(r"[^a-z]", "")


def _local_part(style: pl.Series) -> pl.Expr:
    first, last = pl.col("first_name"), pl.col("last_name")
    forms = [
        first + "." + last,
        first.str.slice(0, 1) + last,
        first + "_" + last,
        last + "." + first,
        first + last,
    ]
    return pl.coalesce(pl.when(style == position).then(form) for position, form in enumerate(forms))


def _with_habits(rng: Rng, people: pl.DataFrame) -> pl.DataFrame:
    """The hours at which people are active, and how often, how much and how cheaply they buy."""
    count = people.height
    hours = [7, 8, 9, 12, 13, 15, 17, 18, 19, 20, 21, 22]
    weights = [8, 12, 6, 12, 9, 5, 6, 9, 12, 14, 10, 5]
    return people.with_columns(
        best_hour=pl.Series(np.asarray(hours)[indices(rng, count, weights)]),
        weekender=pl.Series(chance(rng, 0.3, count).astype(np.int64)),
        orders_a_day=pl.Series(rng.lognormal(-4.9, 0.9, count)),
        basket=pl.Series(rng.lognormal(0.0, 0.4, count)),
        discount_inclination=pl.Series(rng.beta(1.6, 1.6, count)),
    )
