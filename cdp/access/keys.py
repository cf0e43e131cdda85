"""The keys that sign access tokens: made on first use, kept in the home folder, for its owner alone.

To rotate, rename `keys/signing.pem` to `keys/retired-NAME.pem` and start the API again: a new key is made and signs
from then on; the retired one verifies for the lifetime of a token, and may be deleted after that.
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
    """rotated_at: when the current key was made, in seconds since 1970; until then the retired ones have signed."""

    current: ECKey
    retired: tuple[ECKey, ...] = ()
    rotated_at: float = 0.0


def load_signing_keys(home: Path) -> SigningKeys:
    """The P-256 keys in `home/keys`, the same for all processes that start at once.

    Raises:
        ConfigurationError: a file holds no such key.
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
    """Write a key whole, then give it its name: of several processes one wins and all read its key."""
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
            "this is no signing key", where=str(path), hint="Delete it; a new one is made at the next start"
        ) from error
    key.ensure_kid()
    return key
