"""Network access of webhooks: fetch the certificate that signs a request, and confirm a subscription.

The schemes decide which URLs are allowed. Redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from cdp.errors import Unavailable

Fetch = Callable[[str], bytes]

_SECONDS = 5.0
_MAX_BYTES = 65_536
_CERTIFICATES_KEPT = 16


def fetch(url: str) -> bytes:
    """The content at `url`.

    Raises:
        Unavailable: the URL cannot be fetched in time, or its content is larger than 64 KB.
    """
    # Few servers ever fetch anything.
    import httpx

    content = b""
    try:
        with httpx.stream("GET", url, timeout=_SECONDS) as response:
            response.raise_for_status()
            for part in response.iter_bytes():
                content += part
                if len(content) > _MAX_BYTES:
                    raise Unavailable(f"the response of the webhook's provider is larger than {_MAX_BYTES // 1024} KB")
    except httpx.HTTPError as error:
        raise Unavailable(f"the webhook's provider cannot be reached ({type(error).__name__})") from error
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
            Unavailable: the certificate cannot be fetched.
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
