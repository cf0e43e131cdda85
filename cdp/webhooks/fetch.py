"""The network edge of webhooks: the certificate that signs a request, and the URL that confirms a subscription.

Which URLs may be asked at all is for the schemes to say; this asks them, and follows no redirect.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import httpx

from cdp.errors import Unavailable

Fetch = Callable[[str], bytes]

_SECONDS = 5.0
_MAX_BYTES = 65_536
_CERTIFICATES_KEPT = 16


def fetch(url: str) -> bytes:
    """What stands at `url`.

    Raises:
        Unavailable: it cannot be had, or not in time, or it is larger than 64 KB.
    """
    content = b""
    try:
        with httpx.stream("GET", url, timeout=_SECONDS) as response:
            response.raise_for_status()
            for part in response.iter_bytes():
                content += part
                if len(content) > _MAX_BYTES:
                    raise Unavailable("the webhook's provider answers with more than can be right")
    except httpx.HTTPError as error:
        raise Unavailable(f"the webhook's provider cannot be asked ({type(error).__name__})") from error
    return content


class Certificates:
    """Certificates by their URL, each fetched once: a new certificate has a new URL."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: dict[str, str] = {}
        self._lock = Lock()

    def at(self, url: str) -> str:
        """The certificate at `url` as PEM text.

        Raises:
            Unavailable: it cannot be had.
        """
        with self._lock:
            kept = self._kept.get(url)
        if kept is not None:
            return kept
        found = self._fetch(url).decode(errors="replace")
        if found.lstrip().startswith("-----BEGIN CERTIFICATE-----"):
            self._keep(url, found)
        return found

    def _keep(self, url: str, certificate: str) -> None:
        with self._lock:
            while len(self._kept) >= _CERTIFICATES_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[url] = certificate
