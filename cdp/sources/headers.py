"""Common headers of contact and event files, in several spellings and languages.

Headers are compared by letters and digits only, lower-cased and without accents: `E-Mail`, `e_mail` and `EMAIL` are
equal. Of several headers for a field, the first listed wins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import polars as pl

from cdp.channels import PLATFORM_IDS

_SPELLINGS: Mapping[str, str] = {
    "event_key": "eventid eventkey eventuuid messageeventid",
    "event_type": "eventtype event eventaction action activity activitytype interaction interactiontype",
    "event_name": "eventname activityname",
    "occurred_at": (
        "occurredat eventtime eventtimestamp eventdate eventdatetime timestamp transactiontimestamp "
        "transactiondate transactiontime orderdate orderedat orderdatetime purchasedate purchasedat saledate "
        "redemptiondate invoicedate visitdate datetime happenedat zeitpunkt zeitstempel "
        "bestelldatum kaufdatum "
        "datecommande fechapedido fecha"
    ),
    "channel": "channel eventchannel kanal canal",
    "amount": (
        "amount orderamount totalamount ordertotal total totalprice grandtotal revenue "
        "salesvalue salesamount "
        "ordervalue transactionamount price betrag gesamtbetrag umsatz montant importe"
    ),
    "currency": "currency currencycode ordercurrency wahrung waehrung devise moneda",
    "order_id": "orderid ordernumber orderno bestellnummer",
    "campaign_ref": "campaignid campaign campaignname utmcampaign kampagne",
    "message_ref": "messageid messageref",
    "customer_id": (
        "customerid contactid customernumber customerno customerkey customer userid "
        "clientid memberid personid "
        "householdid accountid subscriberid crmid loyaltyid loyaltynumber cardnumber recid recordid id "
        "kundennummer kundennr kundenid idclient numeroclient idcliente"
    ),
    "email": (
        "email emailaddress emailaddr mail primaryemail contactemail customeremail useremail workemail "
        "personalemail email1 emailadresse mailadresse courriel adressemail correo correoelectronico"
    ),
    "phone": (
        "phone phonenumber mobilephone mobile mobilenumber mobilephonenumber cell "
        "cellphone cellnumber telephone "
        "tel telephonenumber primaryphone contactphone customerphone msisdn phone1 "
        "homephone handy handynr handynummer "
        "mobilnummer telefon telefonnummer mobiltelefon portable numerotelephone telefono movil"
    ),
    "first_name": "firstname givenname forename fname first vorname prenom nombre nome voornaam",
    "last_name": "lastname surname familyname lname last nachname familienname nomdefamille "
    "apellido apellidos "
    "cognome achternaam",
    "full_name": "name fullname customername contactname displayname",
    "date_of_birth": "dateofbirth dob birthdate birthday birthdt geburtsdatum geburtstag datedenaissance "
    "fechadenacimiento fechanacimiento",
    "street": "street streetaddress address address1 addressline1 street1 mailingstreet "
    "strasse straße anschrift "
    "adresse rue direccion",
    "city": "city town mailingcity suburb locality ort stadt wohnort ville ciudad",
    "region": "state region province stateprovince statecode county mailingstate bundesland provincia",
    "postcode": "zip zipcode postcode postalcode mailingzip mailingpostalcode plz postleitzahl codepostal "
    "codigopostal cp",
    "country": "country countrycode mailingcountry land pays pais",
    "language": "language languagecode lang locale preferredlanguage sprache langue idioma",
    "timezone": "timezone tz timezonename zeitzone",
    "device_token": "devicetoken pushtoken fcmtoken registrationtoken",
    **{one.type: " ".join(one.headers) for one in PLATFORM_IDS},
    "anonymous_id": "anonymousid cookieid visitorid deviceid",
    "updated_at": "updatedat lastmodified lastmodifieddate modifiedat modifieddate "
    "lastupdated lastupdate updated "
    "changedat aktualisiertam geandertam createdat createddate created",
}
_SPELLED = {field: spellings.split() for field, spellings in _SPELLINGS.items()}

# Headers of the event time, only if the file also has a column for the kind of event.
_WEAK_TIMES = ("date", "datum", "day", "time", "createdat", "created", "sentat", "sentdate")
_LOOKS_RIGHT = {
    **{"email": r"@", "phone": r"\d{3}", "occurred_at": r"\d{4}", "amount": r"\d"},
    **{one.type: rf"^\s*{one.pattern}\s*$" for one in PLATFORM_IDS},
}
_STORE = {"store", "storeid", "storename", "shopid", "branch", "branchid", "till", "register", "filiale"}


def recognise(columns: Sequence[str], sample: pl.DataFrame | None = None) -> dict[str, str]:
    """The fields recognised by their headers: field to column, each column once."""
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(_plain(column), column)
    found: dict[str, str] = {}
    for field, spellings in _SPELLED.items():
        usual = _first(by_plain, spellings)
        if usual and usual not in found.values() and _fits(field, usual, sample):
            found[field] = usual
    return _with_weak_time(found, by_plain)


def source_name(text: str) -> str:
    """A source's name made from a file's: lower-case words joined by `_`, without a trailing date or counter."""
    words = re.sub(r"[^a-z0-9]+", "_", _folded(text)).strip("_")
    return re.sub(r"(_\d+)+$", "", words) or "file"


def names_a_store(columns: Sequence[str]) -> bool:
    return any(_plain(column) in _STORE for column in columns)


def _first(by_plain: Mapping[str, str], spellings: Sequence[str]) -> str | None:
    return next((by_plain[plain] for plain in spellings if plain in by_plain), None)


def _with_weak_time(found: dict[str, str], by_plain: Mapping[str, str]) -> dict[str, str]:
    if "occurred_at" in found or not found.keys() & {"event_type", "event_name", "amount"}:
        return found
    weak = _first(by_plain, _WEAK_TIMES)
    kept = {field: column for field, column in found.items() if column != weak}
    return {**kept, "occurred_at": weak} if weak else found


def _fits(field: str, column: str, sample: pl.DataFrame | None) -> bool:
    pattern = _LOOKS_RIGHT.get(field)
    if sample is None or pattern is None or column not in sample.columns:
        return True
    cells = sample[column].cast(pl.String).drop_nulls()
    return cells.is_empty() or bool(cells.str.contains(pattern).any())


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _folded(column))


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
