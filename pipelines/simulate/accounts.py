"""What each source knows about a person: no key is in all sources, but most sources share a value with another one.

Also the contact points that senders use (always known to a source) and the person's true response probability on each
channel.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.simulate.clock import Clock
from pipelines.simulate.draw import UUID4, Floats, Rng, chance, misspelt, pick, scrambled, texts
from pipelines.simulate.vocabulary import JUNK_EMAILS, JUNK_NAMES, JUNK_PHONES

CHANNELS = ("email", "sms", "push", "whatsapp")
SHARED_BROWSER = "00000000-0000-0000-0000-000000000000"


def open_accounts(rng: Rng, clock: Clock, people: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Add columns for accounts, contact points and affinities."""
    people = _with_memberships(rng, people, seed)
    people = _with_shop_account(rng, clock, people)
    people = _with_crm_contact(rng, clock, people)
    people = _with_app(rng, clock, people)
    people = _with_browsers(rng, clock, people)
    people = _with_card(rng, people)
    people = _with_contact_points(rng, people)
    return _with_affinities(rng, people)


def _with_memberships(rng: Rng, people: pl.DataFrame, seed: int) -> pl.DataFrame:
    count = people.height
    index = people["index"].to_numpy()
    shop, crm, app = (chance(rng, share, count) for share in (0.62, 0.68, 0.42))
    crm |= ~(shop | app)
    return people.with_columns(
        has_shop=pl.Series(shop),
        has_crm=pl.Series(crm),
        has_app=pl.Series(app),
        has_card=pl.Series(chance(rng, 0.3, count)),
        has_web=pl.Series(chance(rng, 0.6, count)),
        shop_id=pl.Series(6_940_000_000_000 + scrambled(index, 99_999_989, seed) * 32),
        crm_id=texts(rng, count, "003Qk0000" + "*" * 9).str.replace_all(r"[-_]", "0"),
        user_id="usr_" + texts(rng, count, "%" * 16),
        card=pl.Series(6_300_000_000_000 + scrambled(index, 99_999_959, seed + 2) * 13).cast(pl.String),
    )


def _email(rng: Rng, people: pl.DataFrame, shares: dict[str, float]) -> pl.Series:
    """An address of a random kind: main, other, family (main if there is none), typo, junk or none."""
    count = people.height
    kind = pick(rng, list(shares), count, list(shares.values()))
    typo = misspelt(rng, people["email_main"], 1.0)
    frame = people.select("email_main", "email_other", "email_family").with_columns(kind=kind, typo=typo)
    forms: dict[str, pl.Expr | pl.Series] = {
        "main": pl.col("email_main"),
        "other": pl.col("email_other"),
        "family": pl.coalesce("email_family", "email_main"),
        "typo": pl.col("typo"),
        "junk": pick(rng, JUNK_EMAILS, count),
    }
    chosen = pl.coalesce(pl.when(pl.col("kind") == name).then(form) for name, form in forms.items())
    return frame.select(chosen.alias("email")).to_series()


def _known_first_name(rng: Rng, people: pl.DataFrame, nickname_share: float) -> pl.Series:
    nick = pl.Series(chance(rng, nickname_share, people.height))
    return people.select(pl.when(nick).then(pl.coalesce("nickname", "first_name")).otherwise("first_name")).to_series()


def _with_shop_account(rng: Rng, clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    count = people.height
    shares = {"main": 0.58, "other": 0.14, "family": 0.28}
    return people.with_columns(
        shop_email=_email(rng, people, shares),
        shop_first_name=_known_first_name(rng, people, 0.25),
        shop_phone=pick(rng, ["mobile", "landline", "none"], count, [0.72, 0.08, 0.20]),
        shop_created_at=pl.Series(clock.at_fraction(rng.uniform(-9.0, 0.0, count))),
        shop_updated_at=pl.Series(clock.at_fraction(rng.uniform(0.0, 0.99, count))),
    )


def _with_crm_contact(rng: Rng, clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    count = people.height
    shares = {"main": 0.42, "other": 0.2, "family": 0.22, "typo": 0.06, "junk": 0.012, "none": 0.088}
    day_first = (pl.col("birth").dt.day() <= 12) & pl.Series(chance(rng, 0.04, count))
    swapped = pl.date(pl.col("birth").dt.year(), pl.col("birth").dt.day().clip(1, 12), pl.col("birth").dt.month())
    birth = people.select(pl.when(day_first).then(swapped).otherwise("birth").dt.strftime("%Y-%m-%d")).to_series()
    junk_birth, no_birth, junk_name = (pl.Series(chance(rng, share, count)) for share in (0.012, 0.15, 0.004))
    first = misspelt(rng, _known_first_name(rng, people, 0.3), 0.03)
    return people.with_columns(
        crm_email=_email(rng, people, shares),
        crm_first_name=pl.when(junk_name).then(pick(rng, JUNK_NAMES, count)).otherwise(first),
        crm_surname_typo=pl.Series(chance(rng, 0.04, count)),
        crm_birth=pl.when(junk_birth).then(pl.lit("1900-01-01")).when(no_birth).then(None).otherwise(birth),
        crm_phone=pick(rng, ["mobile", "landline", "junk", "none"], count, [0.6, 0.16, 0.016, 0.224]),
        crm_junk_phone=pick(rng, JUNK_PHONES, count),
        crm_modified_at=pl.Series(clock.at_fraction(rng.uniform(-4.0, 0.95, count))),
    )


def _with_app(rng: Rng, clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    """App accounts. In some households two people share a tablet, and so a device and an anonymous id."""
    count = people.height
    ios = chance(rng, 0.5, count)
    people = people.with_columns(
        app_email=_email(rng, people, {"main": 0.7, "other": 0.28, "junk": 0.004, "none": 0.016}),
        app_gives_phone=pl.Series(chance(rng, 0.45, count)),
        app_gives_birth=pl.Series(chance(rng, 0.45, count)),
        app_login_at=pl.Series(clock.at_fraction(rng.uniform(-0.6, 0.5, count))),
        app_opened_at=pl.Series(clock.at_fraction(rng.uniform(0.0, 0.9, count))),
        app_logs_in=pl.Series(chance(rng, 0.88, count)),
        instance_id=texts(rng, count, "*" * 22),
        token_tail=texts(rng, count, "*" * 26),
        app_anonymous_id=texts(rng, count, UUID4),
        device_type=pl.Series(np.where(ios, "ios", "android"), dtype=pl.String),
    )
    shares_tablet = pl.col("has_app") & (pl.col("tablet_draw") < 0.15)
    device = ["instance_id", "token_tail", "app_anonymous_id", "device_type"]
    return people.with_columns(
        pl.when(shares_tablet)
        .then(pl.col(name).sort_by(~pl.col("has_app")).first().over("home"))
        .otherwise(name)
        .alias(name)
        for name in device
    )


def _with_browsers(rng: Rng, clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    """One browser, or two in succession. Half of the visitors identify themselves, some with their account."""
    count = people.height
    blocked = pl.Series(chance(rng, 0.002, count))
    identifies = chance(rng, 0.5, count)
    return people.with_columns(
        browser_1=pl.when(blocked).then(pl.lit(SHARED_BROWSER)).otherwise(texts(rng, count, UUID4)),
        browser_2=texts(rng, count, UUID4),
        browser_changed_at=pl.Series(
            np.where(chance(rng, 0.25, count), clock.at_fraction(rng.uniform(0.2, 0.9, count)), clock.end)
        ),
        web_identified_at=pl.Series(np.where(identifies, clock.at_fraction(rng.uniform(0, 0.9, count)), clock.end)),
        web_email=_email(rng, people, {"main": 0.8, "other": 0.19, "junk": 0.01}),
        web_gives_name=pl.Series(chance(rng, 0.4, count)),
        web_user_id=pl.when(pl.col("has_app") & pl.col("app_logs_in") & pl.Series(chance(rng, 0.6, count))).then(
            "user_id"
        ),
    )


def _with_card(rng: Rng, people: pl.DataFrame) -> pl.DataFrame:
    count = people.height
    return people.with_columns(
        card_email=_email(rng, people, {"main": 0.42, "other": 0.12, "family": 0.12, "none": 0.34}),
        card_gives_phone=pl.Series(chance(rng, 0.5, count)),
    )


def _with_contact_points(rng: Rng, people: pl.DataFrame) -> pl.DataFrame:
    """The address that campaigns use, and the channels with consent and a contact point."""
    count = people.height
    shop, crm, app = (_usable_email(source) for source in ("shop", "crm", "app"))
    app_first = pl.Series(chance(rng, 0.35, count))
    list_email = pl.when(app_first).then(pl.coalesce(app, shop, crm)).otherwise(pl.coalesce(shop, app, crm))
    in_shop = pl.col("has_shop") & (pl.col("shop_phone") == "mobile")
    in_crm = pl.col("has_crm") & (pl.col("crm_phone") == "mobile")
    in_app = pl.col("has_app") & pl.col("app_logs_in") & pl.col("app_gives_phone")
    people = people.with_columns(list_email=list_email, mobile_known=in_shop | in_crm | in_app)
    own = [pl.col("list_email") == pl.col(name) for name in ("email_main", "email_other", "email_family")]
    right = pl.any_horizontal(own).fill_null(False)
    return people.with_columns(
        list_email_works=right,
        can_email=pl.col("list_email").is_not_null() & pl.Series(chance(rng, 0.9, count)),
        can_sms=pl.col("mobile_known") & pl.Series(chance(rng, 0.72, count)),
        can_push=pl.col("has_app") & pl.Series(chance(rng, 0.75, count)),
        can_whatsapp=pl.col("mobile_known") & pl.Series(chance(rng, 0.45, count)),
    )


def _usable_email(source: str) -> pl.Expr:
    email = pl.col(f"{source}_email")
    return pl.when(pl.col(f"has_{source}") & email.str.contains("@") & ~email.is_in(JUNK_EMAILS)).then(email)


def _with_affinities(rng: Rng, people: pl.DataFrame) -> pl.DataFrame:
    """True response probability on each channel, from the person's eagerness and strong channel preferences."""
    count = people.height
    eagerness = rng.normal(0, 0.6, count)
    base = {"email": -2.6, "sms": -2.3, "push": -2.4, "whatsapp": -2.0}
    return people.with_columns(
        pl.Series(f"p_{channel}", _probability(level + eagerness + rng.normal(0, 1.3, count)))
        for channel, level in base.items()
    )


def _probability(log_odds: Floats) -> Floats:
    return np.clip(1 / (1 + np.exp(-log_odds)), 0.004, 0.85)


def as_known(people: pl.DataFrame, person: pl.Series, at: pl.Series) -> pl.DataFrame:
    """The people at the positions `person`, with the attributes that were true at `at` (milliseconds)."""
    rows = people.select(pl.all().gather(person)).with_columns(known_at=at)
    return rows.with_columns(
        _then("last_name", "married_at"),
        _then("street", "moved_at"),
        _then("postcode", "moved_at"),
        _then("mobile", "number_changed_at"),
    )


def _then(name: str, changed_at: str) -> pl.Expr:
    before = pl.col("known_at") < pl.col(changed_at)
    return pl.when(before).then(f"former_{name}").otherwise(name).alias(name)
