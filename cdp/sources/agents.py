"""Machine opens: user agents that fetch every picture and follow every link, as opposed to a person's mail client.

Apple's Mail Privacy Protection sends exactly `Mozilla/5.0`; scanners and libraries name themselves. Gmail's image proxy
does not count as a machine, because it fetches pictures when a person opens the message.
"""

from __future__ import annotations

_SCANNERS = (
    *("bot", "crawl", "spider", "scan", "preview", "monitor", "headless", "barracuda", "mimecast", "proofpoint"),
    *("python", "java/", "curl", "wget", "okhttp", "go-http-client", "libwww", "axios", "node-fetch"),
)


def is_machine(agent: str) -> str:
    """SQL that is true if a user agent (a SQL expression) is a machine's, and false if it is NULL."""
    return f"""(coalesce(trim({agent}), '') in ('Mozilla/5.0', 'Mozilla/5.0 (compatible)')
            or coalesce(regexp_matches(lower({agent}), '{"|".join(_SCANNERS)}'), false))"""
