"""What may be kept as evidence of a statement: enough to prove it, without identifying a person."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_interface, ip_network
from urllib.parse import urlsplit, urlunsplit


def network_of(address: str) -> str:
    """The network of an IP address, /24 or /48: too wide to identify one person's connection.

    Raises:
        ValueError: not an IP address. The message does not quote it.
    """
    try:
        found = ip_interface(address).ip
    except ValueError:
        raise ValueError("not an IP address") from None
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False))


def bare_url(url: str) -> str:
    """A URL without user, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
