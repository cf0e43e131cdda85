"""Segments and their members."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.segments.schemas import SegmentMembers, Segments
from tests.api.service import ANN, BOB, Service, assert_problem
from tests.api.warehouse import publish_warehouse


@pytest.fixture
def published(service: Service) -> Service:
    publish_warehouse(service.settings)
    return service


def test_segments_have_sizes_and_empty_ones_are_listed(published: Service) -> None:
    found = published.get("/v1/segments").json()
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


@pytest.mark.parametrize("content", [None, "segments: [", "version: 1\nsegments: []\n"])
def test_the_catalogue_of_the_last_run_stays_in_force(tmp_path: Path, content: str | None) -> None:
    """The file may be missing, invalid or changed, both at the start and later."""
    path = tmp_path / "segments.yaml"
    if content:
        path.write_text(content)
    started = Service(tmp_path / "home", segments=path)
    publish_warehouse(started.settings)
    names = [segment["name"] for segment in started.get("/v1/segments").json()["segments"]]
    assert names == ["loyal", "lost"]
    assert len(started.get("/v1/segments/loyal/members").json()["members"]) == 2
    started.close()


def test_members_are_paged(published: Service) -> None:
    first = published.get("/v1/segments/loyal/members", limit="1").json()
    SegmentMembers.model_validate(first)
    assert first["members"] == [{"profile_id": ANN, "entered_at": "2026-07-01T12:00:00.000Z"}]
    last = published.get("/v1/segments/loyal/members", limit="1", cursor=first["next_cursor"]).json()
    assert ([member["profile_id"] for member in last["members"]], last["next_cursor"]) == ([BOB], None)


def test_an_export_has_all_members_one_per_line(published: Service) -> None:
    headers = {**published.headers(published.reader), "Accept": "application/x-ndjson"}
    response = published.http.get("/v1/segments/loyal/members", params={"limit": 1}, headers=headers)
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["profile_id"] for line in lines] == [ANN, BOB]


def test_an_empty_segment_has_no_members(published: Service) -> None:
    assert published.get("/v1/segments/lost/members").json()["members"] == []


@pytest.mark.parametrize("name", ["nothing", "' or 1 = 1 --", "ann@example.com"])
def test_an_unknown_segment_is_not_found(published: Service, name: str) -> None:
    assert_problem(published.get(f"/v1/segments/{name}/members"), 404, "not_found")


@pytest.mark.parametrize("cursor", ["x", "Im5vYm9keSI", "W10"])
def test_an_invalid_cursor_is_refused(published: Service, cursor: str) -> None:
    assert_problem(published.get("/v1/segments/loyal/members", cursor=cursor), 400, "wrong_use")


def test_the_segments_scope_is_required(published: Service) -> None:
    headers = published.headers(published.sender)
    assert_problem(published.http.get("/v1/segments", headers=headers), 403, "insufficient_scope")
