"""Links that unsubscribe: signed, without personal data, good for as long as their key is kept.

A link is a JWT (RFC 7519) over a contact point's id, what it was written to about and a message's id. The key is made
on first use and stands in `keys/unsubscribe.jwk`, for its owner alone. To rotate, rename it to `keys/retired-NAME.jwk`
and start the API again: a new key signs from then on. Deleting a retired key revokes the links that it has signed;
keep it for as long as messages may be read (the law of some countries says 30 days at least).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from cdp.access.keys import create_once
from cdp.channels import BY_NAME
from cdp.errors import ConfigurationError, NotFound, Unavailable

FILE_NAME = "unsubscribe.jwk"
RETIRED = "retired-*.jwk"
ALGORITHM = "HS256"
MEDIA_TYPE = "unsubscribe+jwt"

_CLAIMS = {"sub": "contact_point_id", "ch": "channel", "pur": "purpose", "top": "topic", "msg": "message_ref"}


@dataclass(frozen=True)
class Link:
    """What a link unsubscribes from: a topic or, without one, the channel. `message_ref` is evidence."""

    contact_point_id: str
    channel: str
    purpose: str
    topic: str | None = None
    message_ref: str | None = None


@dataclass(frozen=True)
class Unsubscribe:
    """What a message must carry so that its reader can leave.

    url: for its foot. headers: of an e-mail, with which mail programs offer to unsubscribe in one click (RFC 8058).
    """

    url: str
    headers: Mapping[str, str]


class LinkNotValid(NotFound):
    """The link is none of ours, was cut off, or its key is gone."""

    code = "link_not_valid"

    def __init__(self) -> None:
        super().__init__("This link is not valid, or no longer")


class UnsubscribeLinks:
    """Makes links and reads them; `keys` has the one that signs first."""

    def __init__(self, keys: Sequence[OctKey], public_url: str, clock: Callable[[], datetime]) -> None:
        self._current, self._all = keys[0], KeySet(list(keys))
        self._public_url = public_url
        self._clock = clock

    def url(self, link: Link) -> str:
        """Where somebody unsubscribes or changes what they get, for the foot of a message."""
        given = {claim: getattr(link, name) for claim, name in _CLAIMS.items()}
        claims = {claim: value for claim, value in given.items() if value is not None}
        header = {"alg": ALGORITHM, "typ": MEDIA_TYPE, "kid": self._current.kid}
        issued = {"iat": int(self._clock().timestamp())}
        token = jwt.encode(header, claims | issued, self._current, algorithms=[ALGORITHM])
        return f"{self._public_url}/u/{token}"

    def carried_by(self, link: Link) -> Unsubscribe:
        """What a message that the link unsubscribes from must carry."""
        url = self.url(link)
        return Unsubscribe(url, one_click_headers(url) if BY_NAME[link.channel].has_list_headers else {})

    def read(self, token: str) -> Link:
        """What the link was made for.

        Raises:
            LinkNotValid: it was not signed by any of the keys.
        """
        try:
            decoded = jwt.decode(token, self._all, algorithms=[ALGORITHM])
            return Link(**{name: decoded.claims[claim] for claim, name in _CLAIMS.items() if claim in decoded.claims})
        except (JoseError, ValueError, TypeError) as error:
            raise LinkNotValid from error


def one_click_headers(url: str) -> dict[str, str]:
    """The headers of an e-mail with which mail programs offer to unsubscribe in one click (RFC 8058)."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def load_unsubscribe_keys(home: Path) -> list[OctKey]:
    """The keys in `home/keys`, the one that signs first, the same for all processes that start at once.

    Raises:
        ConfigurationError: a file holds no such key.
        Unavailable: the folder cannot be read or written.
    """
    path = home / "keys" / FILE_NAME
    try:
        create_once(path, lambda: json.dumps(OctKey.generate_key(256).as_dict(private=True)).encode())
        found = [(place, place.read_bytes()) for place in (path, *sorted(path.parent.glob(RETIRED)))]
    except OSError as error:
        raise Unavailable(
            f"cannot use the key of unsubscribe links: {error.strerror}", where=str(path), hint="Check its permissions"
        ) from error
    return [_read(text, place) for place, text in found]


def _read(text: bytes, path: Path) -> OctKey:
    try:
        key = OctKey.import_key(json.loads(text))
    except (JoseError, ValueError, TypeError) as error:
        raise ConfigurationError(
            "this is no key of unsubscribe links", where=str(path), hint="Put back the one that was there"
        ) from error
    key.ensure_kid()
    return key
