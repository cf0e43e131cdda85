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
from typing import Generic, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from cdp.errors import ConfigurationError, Unavailable

Keys = TypeVar("Keys")

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


class Rotations(Generic[Keys]):
    """Tells of keys that have taken the place of the known ones: another process signs with them already.

    path: the file of the key that signs. load: reads it and the retired ones.
    """

    def __init__(self, path: Path, load: Callable[[], Keys]) -> None:
        self._path = path
        self._load = load
        self._seen: tuple[int, int] | None = None

    def news(self) -> Keys | None:
        """The keys as they are now, or None if their file is the one that was read last, or none can be read.

        Anybody can send a token of an unknown key, so that costs a look at the file, and no reading.
        """
        try:
            found = self._path.stat()
        except OSError:  # renamed, and its successor is not there yet
            return None
        stamp = found.st_ino, found.st_mtime_ns
        if stamp == self._seen:
            return None
        keys = None
        with suppress(ConfigurationError, Unavailable):
            keys = self._load()
        # Only now: another thread that asks meanwhile must not be told that there is no news.
        self._seen = stamp
        return keys


def signing_key_rotations(home: Path) -> Rotations[SigningKeys]:
    """The rotations of the keys in `home/keys` that sign access tokens."""
    return Rotations(home / "keys" / FILE_NAME, lambda: load_signing_keys(home))


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
