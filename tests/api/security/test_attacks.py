"""The table of attacks: who, with what, tries what. None changes what the service holds of anybody, or says of them.

What a write key may do besides, and what the credentials that may do more can do, is in `test_claims.py`; signatures of
webhooks in `tests/api/test_webhooks.py`; each scope on each operation in `tests/api/test_routes.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import ECKey

from cdp.access.tables import clients, write_keys
from cdp.consent import contact_point_id
from cdp.consent.links import Link, UnsubscribeLinks, load_unsubscribe_keys
from cdp.consent.tables import consent_ledger, suppressions
from cdp.decision.tables import decisions
from cdp.people.tables import profiles
from tests.api.security.test_claims import EMAIL, PHONE, Site, site
from tests.api.service import ANN

__all__ = ["site"]

TABLES = (consent_ledger, suppressions, profiles, decisions, clients, write_keys)


def state(site: Site) -> Sequence[Sequence[Any]]:
    """All that an attack could be after."""
    with site.service.store.read() as connection:
        return [sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in TABLES]


@dataclass(frozen=True)
class Attack:
    """who has what, and tries what; `statuses` are the answers that the service may give.

    prepare: makes what the attacker has. attempt: the attack with it.
    """

    who: str
    has: str
    tries: str
    prepare: Callable[[Site], Any]
    attempt: Callable[[Site, Any], httpx.Response]
    statuses: tuple[int, ...]


Attempt = Callable[[Site, Any], httpx.Response]


def nothing(_site: Site) -> dict[str, str]:
    return {}


def key(site: Site) -> dict[str, str]:
    return basic(site.key)


def key_as_token(site: Site) -> dict[str, str]:
    return bearer(site.key)


def wrong_key(_site: Site) -> dict[str, str]:
    return basic("wk_0")


def other_origin(_site: Site) -> dict[str, str]:
    return {"Origin": "https://evil.example.com"}


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token(*scopes: str) -> Callable[[Site], dict[str, str]]:
    return lambda site: site.service.headers(site.service.add_client("attacker", *scopes))


def expired(site: Site) -> dict[str, str]:
    headers = token("profiles:read")(site)
    site.service.clock.advance(days=2)
    return headers


def forged(site: Site) -> dict[str, str]:
    """A token as the service makes them, signed with a key of the attacker's."""
    _, claims, _ = token("profiles:read")(site)["Authorization"].split(".")
    payload = json.loads(base64.urlsafe_b64decode(f"{claims}=="))
    return bearer(jwt.encode({"alg": "ES256", "typ": "at+jwt"}, payload, ECKey.generate_key("P-256")))


def unsigned(site: Site) -> dict[str, str]:
    """A genuine token, but for a header that says that it needs no signature."""
    _, claims, _ = token("profiles:read")(site)["Authorization"].split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    return bearer(f"{header}.{claims}.")


def link(site: Site) -> str:
    """The token of the link of a message."""
    links = UnsubscribeLinks(load_unsubscribe_keys(site.service.home), "")
    url = links.url(Link(contact_point_id(*EMAIL), "email", "marketing"), site.service.clock.now)
    return url.rpartition("/")[2]


def decision_of_another(site: Site) -> tuple[str, dict[str, str]]:
    return str(site.decide("email", "transactional")["decision_id"]), token("decisions:read")(site)


def gets(path: str) -> Attempt:
    return lambda site, headers: site.service.http.get(path, headers=headers)


def posts(path: str, body: Any) -> Attempt:
    return lambda site, headers: site.service.http.post(path, json=body, headers=headers)


def tracks(event: str, **call: Any) -> Attempt:
    context = {"traits": {"email": EMAIL[1], "phone": PHONE[1]}}
    return posts("/v1/track", {"userId": "u1", "event": event, "context": context, **call})


def wraps(told: str, path: str = "/v1/track", **around: Any) -> Attempt:
    """A call within another, which alone is stamped with who it came from."""
    traits = {"email": EMAIL[1], "phone": PHONE[1]}
    call = {"type": "track", "userId": "u1", "event": told, "context": {"traits": traits}, "messageId": "inner"}
    outer = {**around, "batch": [call, {**call, "messageId": "other", "receivedBy": {"name": "cdp", "isClaim": False}}]}
    return posts(path, outer if path == "/v1/track" else {"batch": [outer]})


def client_id(site: Site) -> str:
    return site.service.sender.client_id


def asks_for_a_token(site: Site, found: str) -> httpx.Response:
    headers = basic(found, "cdp_secret_0")
    return site.service.http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=headers)


def unsubscribes_with_a_changed_link(site: Site, found: str) -> httpx.Response:
    return site.service.http.post(f"/u/{found[:-4]}AAAA", data={"List-Unsubscribe": "One-Click"})


def releases(site: Site, found: tuple[str, dict[str, str]]) -> httpx.Response:
    decision_id, headers = found
    return posts(f"/v1/decisions/{decision_id}/outcome", {"outcome": "not_sent"})(site, headers)


def follows(site: Site, found: str) -> httpx.Response:
    return site.service.http.get(f"/u/{found}")


PROFILE = f"/v1/profiles/{ANN}"
LOOKUP = {"identifiers": [{"type": EMAIL[0], "value": EMAIL[1]}]}
SEGMENT_PROFILE = "/v1/spaces/s/collections/users/profiles/email:ann@example.com/traits"
CONSENTS = posts("/v1/consents", {**LOOKUP, "channel": "sms", "purpose": "marketing", "state": "granted"})
FORGES = tracks("SMS Resubscribed", receivedBy={"name": "cdp", "isClaim": False, "mayGrant": "I say so"})
DROPS = tracks("e", userId="'; drop table consents; --")
LIFTS_WITHIN, LIFTS_WITHIN_A_BATCH = wraps("SMS Resubscribed"), wraps("SMS Resubscribed", "/v1/batch")
COMPLAINS_WITHIN = wraps("Email Marked as Spam", event="e", userId="u9")
VALUES = gets("/v1/debug/events?values=true")
START = posts("/webhooks/twilio", {"From": PHONE[1], "Body": "START"})

# fmt: off
ATTACKS = (
    Attack("anybody", "nothing", "to read a profile", nothing, gets(PROFILE), (401,)),
    Attack("anybody", "nothing", "to look somebody up", nothing, posts("/v1/profiles/lookup", LOOKUP), (401,)),
    Attack("anybody", "nothing", "to consent for somebody", nothing, CONSENTS, (401,)),
    Attack("anybody", "nothing", "to see the last payloads", nothing, gets("/v1/debug/events"), (401,)),
    Attack("anybody", "a made-up write key", "to send", wrong_key, tracks("e"), (401,)),
    Attack("anybody", "a made-up secret", "to get a token", client_id, asks_for_a_token, (401,)),
    Attack("anybody", "a token of their own", "to read a profile", forged, gets(PROFILE), (401,)),
    Attack("anybody", "a token without a signature", "to read a profile", unsigned, gets(PROFILE), (401,)),
    Attack("a client", "an expired token", "to read a profile", expired, gets(PROFILE), (401,)),
    Attack("a visitor", "the write key", "to lift a STOP", key, tracks("SMS Resubscribed"), (200,)),
    Attack("a visitor", "the write key", "to re-subscribe somebody", key, tracks("Email Resubscribed"), (200,)),
    Attack("a visitor", "the write key", "to count as a provider", key, FORGES, (200,)),
    Attack("a visitor", "the write key", "to lift a STOP within a call", key, LIFTS_WITHIN, (200,)),
    Attack("a visitor", "the write key", "to lift it within a batch's", key, LIFTS_WITHIN_A_BATCH, (200,)),
    Attack("a visitor", "the write key", "to complain beside a call", key, COMPLAINS_WITHIN, (200,)),
    Attack("a sender", "a token to send", "to lift it within a call", token("events:write"), LIFTS_WITHIN, (200,)),
    Attack("a visitor", "the write key", "to bounce an address", key, tracks("Email Bounced"), (200,)),
    Attack("a visitor", "the write key", "to consent by the API", key_as_token, CONSENTS, (401,)),
    Attack("a visitor", "the write key", "to read a profile", key_as_token, gets(PROFILE), (401,)),
    Attack("a visitor", "the write key", "to read it as Segment's", key, gets(SEGMENT_PROFILE), (401,)),
    Attack("a visitor", "the write key", "to drop a table", key, DROPS, (200,)),
    Attack("a sender", "a token to send", "to lift a STOP", token("events:write"), tracks("SMS Resubscribed"), (200,)),
    Attack("a sender", "a token to read", "to consent for somebody", token("profiles:read"), CONSENTS, (403,)),
    Attack("a sender", "another's decision", "to give its place back", decision_of_another, releases, (404,)),
    Attack("a developer", "a token to debug", "to see addresses", token("debug:read"), VALUES, (403,)),
    Attack("an impostor", "no secret", "to post a webhook", nothing, START, (401, 503)),
    Attack("a reader", "a changed link", "to unsubscribe somebody", link, unsubscribes_with_a_changed_link, (404,)),
    Attack("a scanner of mail", "a link", "to unsubscribe by looking", link, follows, (200,)),
    Attack("another site", "a visitor's browser", "to read a profile", other_origin, gets(PROFILE), (401,)),
)
# fmt: on


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.who}, {attack.has}, {attack.tries}")
def test_an_attack_changes_and_shows_nothing(site: Site, attack: Attack) -> None:
    found = attack.prepare(site)
    before = state(site)
    answer = attack.attempt(site, found)
    assert state(site) == before
    assert answer.status_code in attack.statuses, answer.text
    assert EMAIL[1] not in answer.text
    assert PHONE[1][1:] not in answer.text
    assert "access-control-allow-credentials" not in answer.headers
    assert not site.decide("sms")["allowed"]
    assert site.decide("email")["address"] == EMAIL[1]
