"""Names, e-mail addresses, languages and device tokens."""

import polars as pl

from cdp.normalise.cleaning import written

# The atoms of RFC 5322, extended to non-ASCII letters by RFC 6531.
_ATOM = r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~\x{a1}-\x{10ffff}-]+"
_LABEL = r"[\p{L}\p{Nd}](?:[\p{L}\p{M}\p{Nd}-]*[\p{L}\p{M}\p{Nd}])?"
_TOP_LABEL = r"\p{L}(?:[\p{L}\p{M}\p{Nd}-]*[\p{L}\p{M}\p{Nd}])"
_ADDRESS = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP_LABEL}$"
_TOO_LONG_LABEL = r"@(?:.*\.)?[^.]{64}"

# Titles that are also names or initials ("M. Dupont", "Don Draper") are omitted.
_TITLE = (
    r"(?:(?:mr|mrs|ms|miss|mx|sir|dr|prof|professor|rev|herr|frau|mme|mlle|monsieur|madame|mademoiselle"
    r"|señor|señora|señorita|srta|signor|signora|dott|dhr|mevr|mevrouw)(?:\. ?| )"
    r"|(?:hr|fr|sr|sra|sig\.ra|sig|dipl\.-ing|dipl|ing)\. ?)"
)
_LEADING_TITLES = rf"(?i)^{_TITLE}+(\S.*)$"
# fmt: off
_NOT_A_NAME = [
    "n/a", "#n/a", "n.a", "null", "none", "nil", "nan", "undefined", "unknown", "not known", "not available",
    "not provided", "not given", "no name", "noname", "anonymous", "unbekannt", "inconnu", "desconocido",
    "sconosciuto", "test", "tester", "testing", "test test", "name", "first name", "firstname", "last name",
    "lastname", "customer", "user", "asdf", "mr", "mrs", "ms", "miss", "mx", "dr", "prof",
]
# fmt: on

# ISO 639 codes that Java and Android still write in an old form, and codes that do not name a language.
_OLD_LANGUAGES = {"iw": "he", "in": "id", "ji": "yi"}
_NO_LANGUAGES = ["und", "mul", "zxx", "mis"]


def normalise_emails(values: pl.DataFrame) -> pl.DataFrame:
    """Add `email`: the lower-cased address in `raw`, or null if its syntax is invalid.

    `mailto:` and a display name (`Ann <ann@shop.example>`) are removed. An address has at most 254 octets, its local
    part 64, a domain label 63 (RFC 5321); quoted local parts and IP literals are rejected.
    """
    email = pl.col("email")
    bare = written().str.replace(r"^.*<([^<>]*)>$", "$1").str.strip_chars()
    bare = bare.str.replace(r"(?i)^mailto: ?([^?]*).*$", "$1").str.to_lowercase().str.normalize("NFC")
    emails = values.select(email=bare).select(pl.when(_is_address(email)).then(email))
    return values.with_columns(emails["email"])


def _is_address(email: pl.Expr) -> pl.Expr:
    local_part_fits = email.str.find("@", literal=True) <= 64
    fits = (email.str.len_bytes() <= 254) & local_part_fits & ~email.str.contains(_TOO_LONG_LABEL)
    return email.str.contains(_ADDRESS) & fits


def normalise_names(values: pl.DataFrame) -> pl.DataFrame:
    """Add `name`: `raw` without titles, control characters and repeated spaces; null for placeholders.

    Names written entirely in upper or lower case get capital initials (O'Brien, Anne-Marie); others keep their case.
    Values without a letter are null.
    """
    name, titled = pl.col("name"), pl.col("titled")
    names = (
        values.select(name=written().str.replace(_LEADING_TITLES, "$1").str.strip_chars())
        .with_columns(titled=_title_case(name))
        # A few characters (ŉ) change again when title-cased twice; names with them are left alone to be stable.
        .select(name=pl.when(_has_one_case(name) & (titled == _title_case(titled))).then(titled).otherwise(name))
        .select(pl.when(name.str.contains(r"\p{L}") & ~_is_placeholder(name)).then(name))
    )
    return values.with_columns(names["name"])


def _title_case(name: pl.Expr) -> pl.Expr:
    return name.str.to_titlecase().str.normalize("NFC")


def _has_one_case(name: pl.Expr) -> pl.Expr:
    return (name == name.str.to_uppercase()) | (name == name.str.to_lowercase())


def _is_placeholder(name: pl.Expr) -> pl.Expr:
    return name.str.to_lowercase().str.strip_chars(" .-_*?!()[]<>\"'").is_in(_NOT_A_NAME)


def normalise_languages(values: pl.DataFrame) -> pl.DataFrame:
    """Add `language`: the ISO 639 code at the start of a tag such as `en-US`, `en_US.UTF-8` or `en-US,en;q=0.9`.

    Null for names of languages and for codes that do not name one (`und`).
    """
    language = pl.col("language")
    code = written().str.extract(r"^([A-Za-z]{2,3})(?:[-_.,;@ ].*)?$").str.to_lowercase().replace(_OLD_LANGUAGES)
    languages = values.select(language=code).select(pl.when(~language.is_in(_NO_LANGUAGES)).then(language))
    return values.with_columns(languages["language"])


def normalise_device_tokens(values: pl.DataFrame) -> pl.DataFrame:
    """Add `device_token`: `raw` trimmed; for an FCM registration token, only the instance id at its start.

    A registration token is `<instance id>:APA91b…`; FCM's delivery export to BigQuery contains only the instance id, so
    that is what both have in common.
    """
    tokens = values.select(device_token=written().str.replace(r"^([^: ]+):APA91b.*$", "$1"))
    return values.with_columns(tokens["device_token"].replace("", None))
