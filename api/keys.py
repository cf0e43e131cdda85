"""The key that signs access tokens: made on first use, kept in the home folder, for its owner alone."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from cdp.errors import ConfigurationError, Unavailable

FILE_NAME = "signing.pem"


def load_signing_key(home: Path) -> ECKey:
    """The P-256 key in `home/keys`, the same for all processes that start at once.

    Raises:
        ConfigurationError: the file holds no such key.
        Unavailable: the folder cannot be read or written.
    """
    path = home / "keys" / FILE_NAME
    try:
        if not path.exists():
            _create(path)
        text = path.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"cannot use the signing key: {error.strerror}", where=str(path), hint="Check its permissions"
        ) from error
    return _read(text, path)


def _create(path: Path) -> None:
    """Write a key whole, then give it its name: of several processes one wins and all read its key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(ECKey.generate_key("P-256").as_pem(private=True))
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
