"""Which segments there are, and who is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.segments.schemas import SegmentMembers, Segments
from tests.api.service import ANN, BOB, Service, assert_problem
from tests.api.warehouse import publish_warehouse
from tests.cdp.store_urls import on_sqlite

# Segments are read from the warehouse.
pytestmark = on_sqlite


def test_segments_have_their_sizes_and_the_empty_ones_are_there(lasting: Service) -> None:
    found = lasting.get("/v1/segments").json()
    Segments.model_validate(found)
    words = "order count is at least 2"
    assert found["segments"] == [
        {
            **{"name": "loyal", "title": "Bought twice or more", "words": words},
            **{"profile_count": 2, "entered_count": 2, "left_count": 0},
        },
        {
            **{"name": "lost", "title": "Gone", "words": words},
            **{"profile_count": 0, "entered_count": 1, "left_count": 1},
        },
    ]


def test_before_the_first_run_one_is_told_how_to_make_it(empty_service: Service) -> None:
    response = empty_service.get("/v1/segments")
    assert_problem(response, 503, "unavailable")
    assert response.json()["detail"] == "There has been no run yet. `cdp run` makes one"


@pytest.mark.parametrize("content", [None, "segments: [", "version: 1\nsegments: []\n"])
@pytest.mark.slow
def test_the_catalogue_of_the_last_run_stays_in_force(tmp_path: Path, content: str | None) -> None:
    """Whatever has become of the file: missing, broken or changed, at the start and while running."""
    path = tmp_path / "segments.yaml"
    if content:
        path.write_text(content)
    started = Service(tmp_path / "home", segments=path)
    publish_warehouse(started.settings)
    names = [segment["name"] for segment in started.get("/v1/segments").json()["segments"]]
    assert names == ["loyal", "lost"]
    assert len(started.get("/v1/segments/loyal/members").json()["members"]) == 2
    started.close()


def test_members_come_in_pages(lasting: Service) -> None:
    first = lasting.get("/v1/segments/loyal/members", limit="1").json()
    SegmentMembers.model_validate(first)
    assert first["members"] == [{"profile_id": ANN, "entered_at": "2026-07-01T12:00:00.000Z"}]
    last = lasting.get("/v1/segments/loyal/members", limit="1", cursor=first["next_cursor"]).json()
    assert ([member["profile_id"] for member in last["members"]], last["next_cursor"]) == ([BOB], None)


def test_an_export_gives_all_members_a_line_each(lasting: Service) -> None:
    headers = {**lasting.headers(lasting.reader), "Accept": "application/x-ndjson"}
    response = lasting.http.get("/v1/segments/loyal/members", params={"limit": 1}, headers=headers)
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["profile_id"] for line in lines] == [ANN, BOB]


def test_an_empty_segment_has_no_members(lasting: Service) -> None:
    assert lasting.get("/v1/segments/lost/members").json()["members"] == []


@pytest.mark.parametrize("name", ["nothing", "' or 1 = 1 --", "ann@example.com"])
def test_an_unknown_segment_is_not_found(lasting: Service, name: str) -> None:
    assert_problem(lasting.get(f"/v1/segments/{name}/members"), 404, "not_found")


@pytest.mark.parametrize("cursor", ["x", "Im5vYm9keSI", "W10"])
def test_a_made_up_cursor_is_refused(lasting: Service, cursor: str) -> None:
    assert_problem(lasting.get("/v1/segments/loyal/members", cursor=cursor), 400, "wrong_use")


def test_the_segments_scope_is_needed(lasting: Service) -> None:
    headers = lasting.headers(lasting.sender)
    assert_problem(lasting.http.get("/v1/segments", headers=headers), 403, "insufficient_scope")
