"""The SDKs of browsers, unchanged, in a real one: on a page of another site, with its preflights and its beacons."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from cdp.live.tables import inbox
from cdp.store import open_store
from tests.e2e.browser import FOUND, Page, browser
from tests.e2e.command import cdp, serving

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(FOUND is None, reason="there is no Chromium on this machine"),
]

SECONDS = 30
CALLS = """
    analytics.identify('ann', { email: 'ann@example.com' })
    analytics.page('Home')
    for (let number = 0; number < 5; number++) analytics.track('Song Played', { number })
"""
# What each page sends, by type.
SENT = Counter(identify=1, page=1, track=5)

ANALYTICS_NEXT = """
<script src="/@segment/analytics-next/dist/umd/index.js"></script>
<script>
  AnalyticsNext.AnalyticsBrowser.load({ writeKey: 'KEY', cdnURL: 'API' }).then(([analytics]) => { CALLS })
</script>
"""
# What Segment's snippet does: calls are kept in an array until the script from the server has come and takes them over.
SNIPPET = """
<script>
  const analytics = window.analytics = []
  for (const method of ['identify', 'page', 'track'])
    analytics[method] = (...values) => analytics.push([method, ...values])
  analytics._writeKey = 'KEY'
  analytics._cdn = 'API'
  analytics._loadOptions = {}
  CALLS
  const script = document.createElement('script')
  script.src = 'API/analytics.js/v1/KEY/analytics.min.js'
  document.head.append(script)
</script>
"""
RUDDERSTACK = """
<script src="/@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"></script>
<script>
  const analytics = new rudderanalytics.RudderAnalytics()
  analytics.load('KEY', 'API', { configUrl: 'API' OPTIONS })
  CALLS
</script>
"""
PAGES = {
    "analytics-next": ANALYTICS_NEXT,
    "snippet": SNIPPET,
    "rudderstack": RUDDERSTACK.replace("OPTIONS", ""),
    "rudderstack by beacon": RUDDERSTACK.replace("OPTIONS", ", useBeacon: true"),
}


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """The files of a folder as a web site, and its URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("name", PAGES)
def test_a_page_sends_its_events(home: Path, tmp_path: Path, node_modules: Path, name: str) -> None:
    added = cdp(home, "clients", "add", "site", "--write-key", "--source", "web", "--json")
    key = json.loads(added.stdout)["write_key"]
    script = node_modules / "@segment/analytics-next/dist/umd/standalone.js"
    profile, web = tmp_path / "browser", tmp_path / "web"
    profile.mkdir()
    web.mkdir()
    for package in ("@segment", "@rudderstack"):
        (web / package).symlink_to(node_modules / package)
    with serving(home, CDP_ANALYTICS_JS=str(script)) as api, site(web) as url:
        page = PAGES[name].replace("CALLS", CALLS).replace("KEY", key).replace("API", api)
        (web / "page.html").write_text(f"<!doctype html><html><head>{page}</head><body></body></html>")
        with browser(profile, runs_scripts=True) as opened:
            opened.open(f"{url}/page.html")
            found = received(home, opened, url)
    assert Counter(event["type"] for event in found) == SENT
    assert {event["receivedBy"]["name"] for event in found} == {"site"}
    assert sorted(event["properties"]["number"] for event in found if event["type"] == "track") == list(range(5))


def received(home: Path, page: Page, url: str) -> list[dict[str, object]]:
    """The events in the inbox once there are enough. Beacons leave with the page."""
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    deadline = time.monotonic() + SECONDS
    found: list[dict[str, object]] = []
    has_left = False
    while len(found) < SENT.total() and time.monotonic() < deadline:
        time.sleep(0.2)
        with store.read() as connection:
            found = [json.loads(payload) for payload in connection.scalars(sa.select(inbox.c.payload))]
        if not has_left and time.monotonic() > deadline - SECONDS + 3:
            page.open(f"{url}/")
            has_left = True
    store.close()
    return found
