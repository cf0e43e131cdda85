"""The application: wiring, in one place."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from fastapi import FastAPI

from api.access import routes as access
from api.configuration import Configuration, load_configuration
from api.consent import preference_routes
from api.consent import routes as consent
from api.context import Clock, Context
from api.debug import routes as debug
from api.decision import routes as decision
from api.decision.service import DecisionService
from api.documentation import complete_documentation
from api.errors import handle_errors
from api.intake import Intake
from api.operations import routes as operations
from api.operations.access_log import AccessLog, make_log
from api.operations.metrics import Metrics
from api.operations.request_log import RequestLog
from api.people import history
from api.people import routes as people
from api.published import PublishedWarehouse
from api.routing import HeadAsGet, named_paths
from api.security.buckets import SHARED_BUCKETS, buckets_of_server
from api.security.headers import security_headers
from api.security.rate_limit import RateLimit
from api.security.tokens import TokenService
from api.segment_com import loader_routes, profile_routes, tracking_routes
from api.segment_com.cors import BrowserAccess
from api.segments import routes as segments
from api.sending import broadcast_routes as broadcasts
from api.sending import routes as sending
from api.sending.service import MessageService
from api.webhooks import routes as webhooks
from cdp.access.keys import signing_key_rotations
from cdp.consent.links import UnsubscribeLinks, unsubscribe_key_rotations
from cdp.live import Receiver
from cdp.live.verify import Verifier
from cdp.segments.members import published_members
from cdp.sending.opening import make_tools
from cdp.settings import Settings, load_settings
from cdp.store import open_store
from cdp.webhooks.fetch import Fetch, fetch
from cdp.work import running
from cdp.worker import Log, heap, opened_runner

if TYPE_CHECKING:
    from api.security.issuer import ExternalIssuer

# Routers are matched in this order, so the most frequently used ones come first.
ROUTERS = (
    people.router,
    decision.router,
    tracking_routes.router,
    sending.router,
    consent.router,
    history.router,
    operations.router,
    access.router,
    segments.router,
    profile_routes.router,
    loader_routes.router,
    preference_routes.router,
    webhooks.router,
    debug.router,
    broadcasts.router,
)


def app_factory() -> FastAPI:
    """The application as the environment configures it: see `api.serving`."""
    app = create_app(load_settings())
    if SHARED_BUCKETS in os.environ:
        Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    sys.setswitchinterval(_SWITCH_SECONDS)
    heap.settle()
    return app


def _end_with_parent(parent: int) -> None:
    """End this worker when its parent has died: nobody else would, and it would keep the port."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


# While a thread conforms a large webhook, the event loop waits this long for Python to switch to it, several times a
# request. Python's own 5 ms would make decisions wait ten times as long as in quiet times.
_SWITCH_SECONDS = 0.0005


def create_app(settings: Settings, *, clock: Clock = lambda: datetime.now(UTC), fetch: Fetch = fetch) -> FastAPI:
    """The API over the configured store; `clock` returns the current UTC time, `fetch` the content at a URL.

    Raises:
        ConfigurationError: the store's URL or the signing key is invalid.
        Unavailable: the store or the home folder is out of reach.
    """
    log = make_log()
    context = _context(load_configuration(settings), clock, fetch)
    requests = RequestLog(context.store, log)
    app = FastAPI(
        title="Tributary CDP",
        version=version("tributary-cdp"),
        lifespan=_while_serving(context, requests, log),
        redirect_slashes=False,
        # The names that generated clients give their functions.
        generate_unique_id_function=lambda route: route.name,
        redoc_url=None,
    )
    app.state.context = context
    app.state.named_paths = named_paths(ROUTERS)
    handle_errors(app, log)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BrowserAccess, is_open=_is_open_to_pages)
    app.add_middleware(
        AccessLog,
        log=log,
        requests=requests,
        metrics=context.metrics,
        clock=clock,
        headers=security_headers(settings.public_url),
    )
    for router in ROUTERS:
        app.include_router(router)
    complete_documentation(app, profile_routes.PATHS)
    return app


def _warm_up(context: Context) -> None:
    from cdp.decision import posterior

    context.receiver.warm_up()
    posterior.warm_up()


def _is_open_to_pages(path: str) -> bool:
    return tracking_routes.is_open(path) or loader_routes.is_open(path)


def _context(configuration: Configuration, clock: Clock, fetch: Fetch) -> Context:
    settings, policy = configuration.settings, configuration.policy
    public_url = settings.public_url.rstrip("/")
    store, metrics = open_store(settings.effective_store_url), Metrics()
    receiver = Receiver(settings, store)
    unsubscribing = UnsubscribeLinks(
        configuration.unsubscribe_keys, public_url, unsubscribe_key_rotations(settings.home)
    )
    tools = make_tools(settings, store, policy, configuration.library, unsubscribing, clock)
    return Context(
        settings=settings,
        store=store,
        receiver=receiver,
        intake=Intake(receiver, metrics),
        policy=policy,
        unsubscribing=unsubscribing,
        tools=tools,
        messages=MessageService(store, tools, settings.default_region, clock),
        decisions=DecisionService(store, policy, settings.default_region, clock),
        webhooks=Verifier(configuration.sources, settings.webhooks, fetch),
        tokens=TokenService(configuration.signing_keys, public_url, clock, signing_key_rotations(settings.home)),
        issuer=_issuer(settings.oidc_issuer, public_url, clock) if settings.oidc_issuer else None,
        clock=clock,
        warehouse=PublishedWarehouse(settings),
        limit=RateLimit(settings.rate_limit, buckets_of_server()),
        metrics=metrics,
    )


def _issuer(url: str, audience: str, clock: Clock) -> ExternalIssuer:
    from api.security.issuer import ExternalIssuer

    return ExternalIssuer(url, audience, clock)


def _while_serving(context: Context, requests: RequestLog, log: Log) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        writing = asyncio.create_task(requests.run())
        # The first answer need not wait for what only some requests need.
        warming = asyncio.create_task(to_thread.run_sync(_warm_up, context))
        members = published_members(context.settings)
        work = opened_runner(context.store, context.tools, context.receiver, members, context.clock, log)
        with work as runner, running(runner):
            yield
        await warming
        # The server has answered all open requests by now.
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        context.decisions.close()
        context.messages.close()
        context.tools.close()
        context.intake.close()
        context.warehouse.close()
        context.receiver.close()
        context.store.close()

    return lifespan
