"""The source settings that analytics.js fetches before it sends anything.

Its loader fetches them from `cdnURL`; see `LegacySettings` in @segment/analytics-next. Nothing goes to Segment's own
hosts: events come here, and the library's own metrics are turned off.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

# The script for pages whose snippet asks for analytics.js where none is installed.
ADVICE = """console.error("CDP: analytics.js is not installed on this server. Set CDP_ANALYTICS_JS to \
dist/umd/standalone.js of the npm package @segment/analytics-next, or load that package in the page with \
AnalyticsBrowser.load({writeKey, cdnURL}).");
"""


def settings_of(write_key: str, public_url: str) -> dict[str, Any]:
    """The settings of a source whose only destination is this API, reached at `public_url`."""
    url = urlsplit(public_url)
    host = f"{url.netloc}{url.path.rstrip('/')}/v1"
    return {
        "integrations": {"Segment.io": {"apiKey": write_key, "apiHost": host, "protocol": url.scheme}},
        "plan": {call: {"__default": {"enabled": True, "integrations": {}}} for call in ("track", "identify", "group")},
        "metrics": {"sampleRate": 0, "host": host, "protocol": url.scheme},
        "edgeFunction": {},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "analyticsNextEnabled": True,
        "legacyVideoPluginsEnabled": False,
    }
