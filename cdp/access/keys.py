"""The keys that sign access tokens: generated on first use, kept in the home folder, readable only by its owner.

To rotate, rename `keys/signing.pem` to `keys/retired-NAME.pem` and restart the API. A new key is generated and signs
from then on. The retired key still verifies for the lifetime of a token and may be deleted after that.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from cdp.errors import ConfigurationError, Unavailable

FILE_NAME = "signing.pem"
RETIRED = "retired-*.pem"


@dataclass(frozen=True)
class SigningKeys:
    """The current signing key and the retired ones.

    rotated_at: when the current key was generated, in seconds since 1970. Older tokens were signed by retired keys.
    """

    current: ECKey
    retired: tuple[ECKey, ...] = ()
    rotated_at: float = 0.0


def load_signing_keys(home: Path) -> SigningKeys:
    """The P-256 keys in `home/keys`. Processes that start at the same time get the same keys.

    Raises:
        ConfigurationError: a file does not contain a P-256 key.
        Unavailable: the folder cannot be read or written.
    """
    path = home / "keys" / FILE_NAME
    try:
        create_once(path, lambda: ECKey.generate_key("P-256").as_pem(private=True))
        retired = [(old, old.read_bytes()) for old in sorted(path.parent.glob(RETIRED))]
        text, made_at = path.read_bytes(), path.stat().st_mtime
    except OSError as error:
        raise Unavailable(
            f"cannot use the signing key: {error.strerror}", where=str(path), hint="Check its permissions"
        ) from error
    return SigningKeys(_read(text, path), tuple(_read(old, place) for place, old in retired), made_at)


def create_once(path: Path, make: Callable[[], bytes]) -> None:
    """Write a key to a draft file, then link it to its name: one of several processes wins, and all read its key."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _read(text: bytes, path: Path) -> ECKey:
    try:
        key = ECKey.import_key(text, {"use": "sig", "alg": "ES256"})
    except (JoseError, ValueError, TypeError) as error:
        raise ConfigurationError(
            "not a signing key", where=str(path), hint="Delete it; a new key is generated at the next start"
        ) from error
    key.ensure_kid()
    return key
