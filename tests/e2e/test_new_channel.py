"""Adding a channel is one row of `cdp/channels.py`, seen by schemas, preference page, segments, metrics and sources."""

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

ROW = """    Channel(
        "voice",
        "Phone calls",
        ("call", "telephone"),
        address_type="phone",
        windowed_outcomes=("delivered",),
    ),
)

BY_NAME ="""

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


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The code with one row more."""
    for package in ("cdp", "identity", "pipelines", "api", "data"):
        shutil.copytree(
            ROOT / package, tmp_path / "tree" / package, ignore=shutil.ignore_patterns("__pycache__", "sample")
        )
    table = tmp_path / "tree" / "cdp" / "channels.py"
    code = table.read_text()
    assert code.count(")\n\nBY_NAME =") == 1
    table.write_text(code.replace(")\n\nBY_NAME =", ROW))
    return tmp_path / "tree"


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
