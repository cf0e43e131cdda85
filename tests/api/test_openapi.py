"""The API conforms to its documentation, for valid and for some invalid requests.

Schemathesis generates requests from the OpenAPI document for every route: no response is a server error, and none has
an undocumented status or body.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from api.app import ROUTERS
from tests.api.service import Service
from tests.api.warehouse import publish_warehouse

EXAMPLES_PER_ROUTE = 40
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = sorted(
    (method, route.path_format)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in route.methods
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("api") / "home")
    service.publish()
    publish_warehouse(service.settings)
    yield service
    service.close()


@pytest.fixture(scope="module")
def document(api: Service) -> Any:
    return schemathesis.openapi.from_dict(api.app.openapi())


@pytest.fixture(scope="module")
def headers(api: Service) -> dict[str, str]:
    return api.headers(api.everything)


def send(api: Service, case: schemathesis.Case, headers: dict[str, str]) -> httpx.Response:
    """Send a request without Schemathesis's own client, which would restart the application for each one."""
    request = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    request.headers.update(headers)
    return api.http.request(str(request.method), str(request.url), content=request.body, headers=request.headers)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
@given(data=st.data())
@settings(
    max_examples=EXAMPLES_PER_ROUTE,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_responses_conform_to_the_documentation(
    api: Service,
    document: Any,
    headers: dict[str, str],
    method: str,
    path: str,
    data: st.DataObject,
) -> None:
    operation = document[path][method]
    case = data.draw(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
    case.validate_response(send(api, case, headers), checks=CHECKS)
