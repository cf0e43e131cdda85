"""Unsubscribe links: signed, free of personal data, valid for as long as their key is kept.

A link is a JWT (RFC 7519) with the id of a contact point, the channel, purpose and topic of the message, and its id.
The key is created on first use in `keys/unsubscribe.jwk`, readable by its owner only. To rotate it, rename the file to
`keys/retired-NAME.jwk` and restart the API: a new key signs from then on. Deleting a retired key revokes the links
signed with it; keep it for as long as messages may be read (some countries require at least 30 days).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from cdp.access.keys import Rotations, create_once
from cdp.channels import BY_NAME
from cdp.errors import ConfigurationError, NotFound, Unavailable

FILE_NAME = "unsubscribe.jwk"
RETIRED = "retired-*.jwk"
ALGORITHM = "HS256"
MEDIA_TYPE = "unsubscribe+jwt"

_CLAIMS = {"sub": "contact_point_id", "ch": "channel", "pur": "purpose", "top": "topic", "msg": "message_ref"}


@dataclass(frozen=True)
class Link:
    """What a link unsubscribes from: a topic or, if there is none, the channel. `message_ref` is evidence."""

    contact_point_id: str
    channel: str
    purpose: str
    topic: str | None = None
    message_ref: str | None = None


@dataclass(frozen=True)
class Unsubscribe:
    """What a message must carry so that its recipient can unsubscribe.

    url: for the footer. headers: for an e-mail, so that mail programs offer one-click unsubscription (RFC 8058).
    """

    url: str
    headers: Mapping[str, str]


class LinkNotValid(NotFound):
    """The link was not issued here, is truncated, or its key has been deleted."""

    code = "link_not_valid"

    def __init__(self) -> None:
        super().__init__("This link is invalid or no longer active")


class UnsubscribeLinks:
    """Creates and reads links. The first of `keys` signs; all of them verify.

    rotations: tells of newer keys, with which another process may sign already.
    """

    def __init__(
        self, keys: Sequence[OctKey], public_url: str, rotations: Rotations[Sequence[OctKey]] | None = None
    ) -> None:
        self._public_url = public_url
        self._rotations = rotations
        self._use(keys)

    def _use(self, keys: Sequence[OctKey]) -> None:
        self._current, self._all = keys[0], KeySet(list(keys))

    def url(self, link: Link, issued_at: datetime) -> str:
        """The URL of the preference page, for the footer of a message."""
        given = {claim: getattr(link, name) for claim, name in _CLAIMS.items()}
        claims = {claim: value for claim, value in given.items() if value is not None}
        header = {"alg": ALGORITHM, "typ": MEDIA_TYPE, "kid": self._current.kid}
        issued = {"iat": int(issued_at.timestamp())}
        token = jwt.encode(header, claims | issued, self._current, algorithms=[ALGORITHM])
        return f"{self._public_url}/u/{token}"

    def carried_by(self, link: Link, issued_at: datetime) -> Unsubscribe:
        """What the link's message must carry."""
        return carried(self.url(link, issued_at), link.channel)

    def read(self, token: str) -> Link:
        """The link that a token stands for.

        Raises:
            LinkNotValid: it was not signed by any of the keys.
        """
        try:
            self._keep_up_with(token)
            decoded = jwt.decode(token, self._all, algorithms=[ALGORITHM])
            return Link(**{name: decoded.claims[claim] for claim, name in _CLAIMS.items() if claim in decoded.claims})
        except (JoseError, ValueError, TypeError) as error:
            raise LinkNotValid from error

    def _keep_up_with(self, token: str) -> None:
        """Use newer keys, if there are any and the link's key is not among ours."""
        key_id = jws.extract_compact(token.encode()).headers().get("kid")
        if self._rotations is None or any(key.kid == key_id for key in self._all.keys):
            return
        keys = self._rotations.news()
        if keys:
            self._use(keys)


def carried(url: str, channel: str) -> Unsubscribe:
    """What a message on a channel carries of a link."""
    return Unsubscribe(url, one_click_headers(url) if BY_NAME[channel].has_list_headers else {})


def one_click_headers(url: str) -> dict[str, str]:
    """The e-mail headers that let mail programs offer one-click unsubscription (RFC 8058)."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def load_unsubscribe_keys(home: Path) -> list[OctKey]:
    """The keys in `home/keys`, the signing key first. Processes that start at the same time get the same keys.

    Raises:
        ConfigurationError: a file is not a valid key.
        Unavailable: the folder cannot be read or written.
    """
    path = home / "keys" / FILE_NAME
    try:
        create_once(path, lambda: json.dumps(OctKey.generate_key(256).as_dict(private=True)).encode())
        found = [(place, place.read_bytes()) for place in (path, *sorted(path.parent.glob(RETIRED)))]
    except OSError as error:
        raise Unavailable(
            f"cannot access the unsubscribe key: {error.strerror}", where=str(path), hint="Check its permissions"
        ) from error
    return [_read(text, place) for place, text in found]


def unsubscribe_key_rotations(home: Path) -> Rotations[Sequence[OctKey]]:
    """The rotations of the keys in `home/keys` that sign links."""
    return Rotations(home / "keys" / FILE_NAME, lambda: load_unsubscribe_keys(home))


def _read(text: bytes, path: Path) -> OctKey:
    try:
        key = OctKey.import_key(json.loads(text))
    except (JoseError, ValueError, TypeError) as error:
        raise ConfigurationError(
            "not a valid unsubscribe key", where=str(path), hint="Restore the original file"
        ) from error
    key.ensure_kid()
    return key
