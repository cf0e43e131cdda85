"""Who opened a mail: a person's program, or a machine that fetches every picture and follows every link.

Apple's Mail Privacy Protection calls itself `Mozilla/5.0` and nothing else; scanners and libraries name themselves.
Gmail's picture proxy does not count as one: it fetches when a person looks.
"""

from __future__ import annotations

_SCANNERS = (
    *("bot", "crawl", "spider", "scan", "preview", "monitor", "headless", "barracuda", "mimecast", "proofpoint"),
    *("python", "java/", "curl", "wget", "okhttp", "go-http-client", "libwww", "axios", "node-fetch"),
)


def is_machine(agent: str) -> str:
    """SQL that is true of a user agent (a SQL expression) that no person uses; false where there is none."""
    return f"""(coalesce(trim({agent}), '') in ('Mozilla/5.0', 'Mozilla/5.0 (compatible)')
            or coalesce(regexp_matches(lower({agent}), '{"|".join(_SCANNERS)}'), false))"""
