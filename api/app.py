"""The application: wiring, in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from anyio import CapacityLimiter
from fastapi import FastAPI

from api.access_log import AccessLog, make_log
from api.context import Clock, Context
from api.errors import handle_errors
from api.keys import load_signing_key
from api.routes import oauth, operations, profiles
from api.schemas import Problem
from api.tokens import TokenService
from cdp.settings import Settings, load_settings
from cdp.store import Store, open_store

# A secret's hash takes 19 MB and a core to check: who floods the token endpoint shall wait, nobody else.
HASHES_AT_ONCE = 2


def app_factory() -> FastAPI:
    """The application as the environment configures it: `uvicorn --factory api.app:app_factory`."""
    return create_app(load_settings())


def create_app(settings: Settings, *, clock: Clock = lambda: datetime.now(UTC)) -> FastAPI:
    """The API over the store that `settings` name; `clock` gives the current UTC time.

    Raises:
        ConfigurationError: the store's URL or the signing key is wrong.
        Unavailable: the store or the home folder is out of reach.
    """
    tokens = TokenService(load_signing_key(settings.home), settings.public_url.rstrip("/"), clock)
    store = open_store(settings.effective_store_url)
    log = make_log()
    app = FastAPI(
        title="Tributary CDP",
        version=version("tributary-cdp"),
        lifespan=_closing(store),
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.context = Context(settings, store, tokens, clock, CapacityLimiter(HASHES_AT_ONCE))
    handle_errors(app, log)
    app.add_middleware(AccessLog, log=log)
    for resource in (operations, oauth, profiles):
        app.include_router(resource.router)
    _document_problems(app)
    return app


def _closing(store: Store) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    return lifespan


def _document_problems(app: FastAPI) -> None:
    """Put the schema of problems into the OpenAPI document, which routes refer to."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]
