"""Adding a channel is one row of `cdp/channels.py`, seen by schemas, preference page, segments, metrics and sources; if
its messages go to an id that its platform has given out, one row more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import ROOT

pytestmark = pytest.mark.long

ROW = """    Channel(
        "voice",
        "Phone calls",
        ("call", "telephone"),
        address_type="phone",
        windowed_outcomes=("delivered",),
    ),
)

BY_NAME ="""

CHAT_ROW = """    Channel(
        "pager",
        "Pager",
        ("beeper",),
        address_type="pager_id",
        form="chat",
        chat=Chat(80, is_always_open=True),
        has_keywords=True,
    ),
)

BY_NAME ="""
ID_ROW = """    PlatformId("pager_id", "[A-Z][0-9]{4}", ("pager", "pagerid")),
)
PLATFORM_ID_TYPES ="""

PROBE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path

from fastapi.testclient import TestClient

from api.app import create_app
from cdp.consent import ContactPoint
from cdp.consent.ledger import keep_contact_points
from cdp.consent.links import Link
from cdp.segments import load_catalogue
from cdp.settings import Settings

home = Path(sys.argv[1])
app = create_app(Settings(home=home), clock=lambda: datetime(2026, 7, 1, 12, tzinfo=UTC))
context = app.state.context
point = ContactPoint("phone", "+14155550100")
with context.store.write() as connection:
    keep_contact_points(connection, [point])
url = context.unsubscribing.url(Link(point.id, "voice", "marketing"), context.clock())
page = TestClient(app).get("/u/" + url.rpartition("/")[2]).text
(home / "own.yaml").write_text(sys.argv[2])
schemas = app.openapi()["components"]["schemas"]
print(json.dumps({
    "candidates": schemas["DecisionRequest"]["properties"]["candidates"]["items"]["enum"],
    "consents": schemas["ConsentRequest"]["properties"]["channel"]["enum"],
    "page": "Phone calls" in page,
    "segments": [segment.name for segment in load_catalogue(home / "own.yaml").segments],
}))
"""

SEGMENTS = """version: 1
segments:
  - name: called
    title: Can be called
    rule: {channel: voice, reachable: true}
"""

CALLS = """customer,phone,what,way,when,may_call
c1,+14155550100,delivered,call,2026-06-01T10:00:00Z,yes
c1,+14155550100,delivered,telephone,2026-06-02T10:00:00Z,
c2,+14155550101,delivered,sms,2026-06-02T11:00:00Z,no
"""
MAPPING = """source: calls
kind: events
files: calls*.csv
columns: {customer_id: customer, phone: phone, event_type: what, channel: way, occurred_at: when}
consents:
  - {channel: voice, column: may_call, granted: ["yes"], denied: ["no"]}
"""


PAGED = """customer,pager,what,way,when,may_page
c1, A0001 ,replied,pager,2026-06-01T10:00:00Z,yes
,A0001,unsubscribed,beeper,2026-06-02T10:00:00Z,
c2,B0002,replied,pager,2026-06-02T11:00:00Z,yes
c3,nobody,replied,pager,2026-06-02T11:00:00Z,
"""
PAGER_MAPPING = """source: pagers
kind: events
files: paged*.csv
columns: {customer_id: customer, pager_id: pager, event_type: what, channel: way, occurred_at: when}
consents:
  - {channel: pager, column: may_page, granted: ["yes"]}
"""
PAGER_PROBE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path

from fastapi.testclient import TestClient

from api.app import create_app
from cdp.access.clients import add_client
from cdp.settings import Settings

now = datetime.now(UTC)
app = create_app(Settings(home=Path(sys.argv[1])))
http = TestClient(app)
with app.state.context.store.write() as connection:
    client = add_client(connection, "test", ["profiles:read", "messages:send"], now)
credentials = (client.client_id, client.client_secret)
token = http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=credentials).json()["access_token"]
headers = {"Authorization": f"Bearer {token}"}

def found(value):
    asked = {"identifiers": [{"type": "pager_id", "value": value}]}
    return http.post("/v1/profiles/lookup", json=asked, headers=headers).status_code

def sent(value):
    to = {"identifiers": [{"type": "pager_id", "value": value}]}
    asked = {"to": to, "content": {"text": "Call home"}, "purpose": "marketing", "channels": ["pager"]}
    answer = http.post("/v1/messages", json=asked, headers=headers).json()
    return [answer["state"], answer["reason"]]

print(json.dumps({
    "found": {value: found(value) for value in ("A0001", " B0002", "C0003")},
    "sent": {value: sent(value) for value in ("A0001", "B0002")},
}))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The code, to be changed."""
    for package in ("cdp", "identity", "pipelines", "api", "data"):
        shutil.copytree(
            ROOT / package, tmp_path / "tree" / package, ignore=shutil.ignore_patterns("__pycache__", "sample")
        )
    return tmp_path / "tree"


def add_row(tree: Path, row: str, before: str) -> None:
    """Add a row to the table that ends before a name."""
    table = tree / "cdp" / "channels.py"
    code = table.read_text()
    assert code.count(f")\n{before} =") == 1
    table.write_text(code.replace(f")\n{before} =", row))


def python(tree: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDP_")}
    environment |= {"PYTHONPATH": str(tree), "CDP_HOME": str(tree / "home")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cdp(tree: Path, *arguments: str) -> Any:
    return json.loads(python(tree, "-c", "from cdp.cli import main; main()", *arguments))


def test_one_row_makes_a_channel_known_everywhere(tree: Path) -> None:
    add_row(tree, ROW, "\nBY_NAME")
    (tree / "calls.csv").write_text(CALLS)
    (tree / "calls.mapping.yaml").write_text(MAPPING)
    report = cdp(tree, "run", "calls.csv", "--json")
    assert (report["events"], report["rejected"]) == (3, 0)

    metrics = (
        "select voice_delivered_count as calls, sms_delivered_count as texts from profiles.metrics order by 1 desc"
    )
    assert cdp(tree, "sql", metrics, "--format", "json") == [{"calls": 2, "texts": 0}, {"calls": 0, "texts": 1}]
    reached = "select channel, count(*) as people from segments.channel_states where reachable group by 1 order by 1"
    assert cdp(tree, "sql", reached, "--format", "json") == [
        {"channel": "sms", "people": 2},
        # The other one does not want to be called.
        {"channel": "voice", "people": 1},
    ]

    consents = "select channel, state, count(*) as people from conformed.consents group by all order by all"
    assert cdp(tree, "sql", consents, "--format", "json") == [
        {"channel": "voice", "state": "denied", "people": 1},
        {"channel": "voice", "state": "granted", "people": 1},
    ]

    seen = json.loads(python(tree, "-c", PROBE, str(tree / "home"), SEGMENTS).splitlines()[-1])
    assert "voice" in seen["candidates"]
    assert "voice" in seen["consents"]
    assert seen["page"]
    assert seen["segments"] == ["called"]


def test_two_rows_make_a_channel_with_an_address_of_its_own(tree: Path) -> None:
    add_row(tree, CHAT_ROW, "\nBY_NAME")
    add_row(tree, ID_ROW, "PLATFORM_ID_TYPES")
    (tree / "paged.csv").write_text(PAGED)
    (tree / "paged.mapping.yaml").write_text(PAGER_MAPPING)
    report = cdp(tree, "run", "paged.csv", "--json")
    # The two that share a pager are one person.
    assert (report["events"], report["rejected"], report["profiles"]) == (4, 0, 3)
    reached = "select consent, suppressed, reachable from segments.channel_states where channel = 'pager' order by all"
    assert cdp(tree, "sql", reached, "--format", "json") == [
        {"consent": "granted", "suppressed": False, "reachable": True},
        {"consent": "withdrawn", "suppressed": True, "reachable": False},
    ]
    seen = json.loads(python(tree, "-c", PAGER_PROBE, str(tree / "home")).splitlines()[-1])
    assert seen == {
        "found": {"A0001": 200, " B0002": 200, "C0003": 404},
        "sent": {"A0001": ["refused", "stop"], "B0002": ["queued", None]},
    }
