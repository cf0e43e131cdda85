"""The application: wiring, in one place."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from api.consents.unsubscribing import UnsubscribeLinks, load_unsubscribe_keys
from api.context import Clock, Context
from api.decisions.desk import DecisionDesk
from api.errors import handle_errors
from api.operations.access_log import AccessLog, make_log
from api.operations.metrics import Metrics
from api.operations.request_log import RequestLog
from api.profiles.published import PublishedWarehouse
from api.routes import (
    consents,
    decisions,
    history,
    oauth,
    operations,
    profiles,
    segment_profiles,
    segments,
    tracking,
    unsubscribe,
    webhooks,
)
from api.schemas import Problem
from api.security.issuer import ExternalIssuer
from api.security.keys import load_signing_keys
from api.security.rate_limit import RateLimit
from api.security.tokens import TokenService
from api.tracking.cors import BrowserAccess
from api.tracking.intake import Intake
from cdp.live import Receiver
from cdp.policy import load_policy
from cdp.settings import Settings, load_settings
from cdp.sources import load_sources
from cdp.store import open_store
from cdp.webhooks.fetch import Fetch, fetch
from cdp.webhooks.verifier import Verifier

# A router that stands early is matched early: what is asked most comes first.
RESOURCES = (
    profiles,
    decisions,
    consents,
    history,
    operations,
    oauth,
    segments,
    segment_profiles,
    tracking,
    unsubscribe,
    webhooks,
)


def app_factory() -> FastAPI:
    """The application as the environment configures it: `uvicorn --factory api.app:app_factory`."""
    app = create_app(load_settings())
    app.state.context.receiver.warm_up()
    _keep_from_garbage_collection()
    return app


def _keep_from_garbage_collection() -> None:
    """Settle what is loaded by now: to look through it holds up all requests for a tenth of a second."""
    # An application that was made before, to see whether it can be, goes.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    # A request makes many thousand objects, few of them in circles.
    gc.set_threshold(20_000, 20, 20)


def create_app(settings: Settings, *, clock: Clock = lambda: datetime.now(UTC), fetch: Fetch = fetch) -> FastAPI:
    """The API over the store that `settings` name; `clock` gives the current UTC time, `fetch` what stands at a URL.

    Raises:
        ConfigurationError: the store's URL or the signing key is wrong.
        Unavailable: the store or the home folder is out of reach.
    """
    log = make_log()
    context = _context(settings, clock, fetch)
    requests = RequestLog(context.store, log)
    app = FastAPI(
        title="Tributary CDP",
        version=version("tributary-cdp"),
        lifespan=_while_serving(context, requests),
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.context = context
    handle_errors(app, log)
    app.add_middleware(BrowserAccess, is_open=tracking.is_open)
    app.add_middleware(AccessLog, log=log, requests=requests, metrics=context.metrics, clock=clock)
    for resource in RESOURCES:
        app.include_router(resource.router)
    _complete_documentation(app)
    return app


def _context(settings: Settings, clock: Clock, fetch: Fetch) -> Context:
    public_url = settings.public_url.rstrip("/")
    store, metrics = open_store(settings.effective_store_url), Metrics()
    receiver, policy = Receiver(settings, store), load_policy(settings.policy)
    return Context(
        settings=settings,
        store=store,
        receiver=receiver,
        intake=Intake(receiver, metrics),
        policy=policy,
        unsubscribing=UnsubscribeLinks(load_unsubscribe_keys(settings.home), public_url, clock),
        desk=DecisionDesk(store, policy, settings.default_region, clock),
        webhooks=Verifier(load_sources(), settings.webhooks, fetch),
        tokens=TokenService(load_signing_keys(settings.home), public_url, clock),
        issuer=ExternalIssuer(settings.oidc_issuer, public_url, clock) if settings.oidc_issuer else None,
        clock=clock,
        warehouse=PublishedWarehouse(settings),
        limit=RateLimit(settings.rate_limit),
        metrics=metrics,
    )


def _while_serving(context: Context, requests: RequestLog) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        writing = asyncio.create_task(requests.run())
        yield
        # The server has answered what was under way by now.
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        context.desk.close()
        context.warehouse.close()
        context.receiver.close()
        context.store.close()

    return lifespan


def _complete_documentation(app: FastAPI) -> None:
    """Put into the OpenAPI document what routes do not say: the schema of problems, and who takes HTTP Basic."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).setdefault("Problem", Problem.model_json_schema())
        components.setdefault("securitySchemes", {})["Basic"] = {"type": "http", "scheme": "basic"}
        for path, operations_of_path in document["paths"].items():
            if path.startswith(segment_profiles.PATHS):
                for operation in operations_of_path.values():
                    operation["security"] = [{"OAuth2": ["profiles:read"]}, {"Basic": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
