"""What holds for the whole API: operations, errors, the log, the documentation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from api.configuration import load_configuration
from api.people.routes import PARTS
from api.people.schemas import Profile
from cdp.errors import ConfigurationError, Unavailable
from cdp.metrics.catalogue import EMPTY_WINDOWS
from cdp.settings import Settings
from tests.api.service import ANN, DOCUMENT, Service, assert_problem
from tests.cdp.store_urls import on_sqlite


def test_alive_without_a_run(empty_service: Service) -> None:
    assert empty_service.http.get("/healthz").json() == {"status": "alive"}


def test_ready_once_a_run_is_published(empty_service: Service) -> None:
    waiting = empty_service.http.get("/readyz")
    assert_problem(waiting, 503, "not_ready")
    assert waiting.json()["message"] == "Nothing has been published yet"
    assert int(waiting.headers["retry-after"]) > 0
    empty_service.publish()
    ready = empty_service.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "run_id": "run_1", "as_of": "2026-07-01T12:00:00Z"},
    )


def test_not_ready_without_a_store(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_reach(_store: object) -> None:
        raise Unavailable("connection to ann@example.com refused")

    monkeypatch.setattr("cdp.store.engine.Store.read", out_of_reach)
    assert_problem(service.http.get("/readyz"), 503, "unavailable")
    assert service.http.get("/healthz").status_code == 200


def test_a_script_that_is_not_there_is_reported_at_the_start(tmp_path: Path) -> None:
    for missing in (tmp_path / "nope.js", tmp_path):
        with pytest.raises(ConfigurationError, match="CDP_ANALYTICS_JS"):
            load_configuration(Settings(home=tmp_path / "home", analytics_js=missing))


@on_sqlite
def test_a_defect_says_nothing_about_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise KeyError("ann@example.com")

    monkeypatch.setattr("api.people.routes.read_person", fail)
    response = service.get(f"/v1/profiles/{ANN}")
    assert_problem(response, 500, "defect")


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/people/ann@example.com", 404, "not_found"),
        ("GET", "/v1/profiles/lookup/", 404, "not_found"),
        ("PUT", "/healthz", 405, "method_not_allowed"),
        ("GET", "/oauth/token", 405, "method_not_allowed"),
    ],
)
def test_unknown_routes_and_methods_are_problems(
    lasting: Service, method: str, path: str, status: int, code: str
) -> None:
    response = lasting.http.request(method, path)
    assert_problem(response, status, code)
    assert ("allow" in response.headers) == (status == 405)


def test_the_log_names_route_and_client_and_nobody_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(tmp_path / "home")
    service.publish()
    capsys.readouterr()
    service.get(f"/v1/profiles/{ANN}")
    service.look_up(("email", "ann@example.com"))
    service.http.get("/v1/people/ann@example.com?email=ann@example.com")
    lines = capsys.readouterr().err.splitlines()
    service.close()
    entries = [json.loads(line) for line in lines]
    seen = [(entry["client"], entry["method"], entry["route"], entry["status"]) for entry in entries]
    reader = service.reader.client_id
    assert seen == [
        (reader, "POST", "/oauth/token", 200),
        (reader, "GET", "/v1/profiles/{profile_id}", 200),
        (reader, "POST", "/oauth/token", 200),
        (reader, "POST", "/v1/profiles/lookup", 200),
        (None, "GET", None, 404),
    ]
    assert all(entry["ms"] >= 0 for entry in entries)
    assert "ann" not in "".join(lines).lower()
    assert ANN not in "".join(lines)


@on_sqlite
def test_the_documentation_is_openapi_3_1_and_names_the_bodies(lasting: Service) -> None:
    document = lasting.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    read = document["paths"]["/v1/profiles/{profile_id}"]["get"]
    assert read["responses"]["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Profile"}
    assert read["security"] == [{"OAuth2": ["profiles:read"]}]
    assert list(read["responses"]["404"]["content"]) == ["application/problem+json"]
    named = {ref.split("/")[-1] for ref in _references(document)}
    assert named <= document["components"]["schemas"].keys()


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for child in node.values() for found in _references(child)]
    return [found for child in node for found in _references(child)] if isinstance(node, list) else []


@on_sqlite
def test_the_documented_profile_is_the_one_that_is_served(lasting: Service) -> None:
    whole = lasting.get(f"/v1/profiles/{ANN}", include=",".join(PARTS)).json()
    # `extra="forbid"`: a key that the model does not know would fail.
    Profile.model_validate(whole)
    assert {point["channel"] for point in whole.pop("consent")} == {"email", "sms", "whatsapp", "push", "telegram"}
    assert whole.pop("trait_status")
    assert [question["trait"] for question in whole.pop("next_questions")] == ["street"]
    assert whole == {**DOCUMENT, "metrics": {**EMPTY_WINDOWS, **DOCUMENT["metrics"]}}


def test_a_server_starts_without_what_only_a_run_or_some_requests_need() -> None:
    of_runs = {"great_expectations", "splink", "scipy", "pandas", "sqlglot", "altair", "pipelines"}
    # To migrate, to score channels, for tables, for the preference page, to send over HTTP.
    heavy = of_runs | {"alembic", "numpy", "pyarrow", "jinja2", "httpx", "http_ece", "smtplib"}
    probe = "import sys, api.app; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert heavy & set(imported.stdout.split()) == set()
