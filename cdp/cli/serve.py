"""The API server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from cdp.cli import terminal
from cdp.cli.common import load_settings, opened_store
from cdp.cli.sending import warn_of_missing_receipts
from cdp.errors import Unavailable
from cdp.settings import Settings, keep_private

app = typer.Typer()

# How long open requests may take after the server is told to stop.
GRACE_SECONDS = 30
# A worker that does not answer its parent for so long is replaced, and one that does not start within it given up. One
# that dies as its parent asks is noticed only then.
STUCK_SECONDS = 15
# The environment variable in which prometheus-client expects the folder of its counters.
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="The number of processes.")] = 1,
) -> None:
    """Serve the API. Documentation is at /docs.

    With several workers, SIGHUP replaces them one by one without a gap, after a change of settings or keys.

    Examples: cdp serve · cdp serve --port 8000 --workers 2
    """
    import uvicorn

    settings = load_settings()
    keep_private(settings.home)
    _check_port(host, port)
    application = _application(settings, workers)
    warn_of_missing_receipts(settings)
    terminal.err.print(
        f"The API is at http://{host}:{port}, its documentation at /docs; press Ctrl-C to stop", markup=False
    )
    with _shared(workers):
        uvicorn.run(
            application,
            factory=workers > 1,
            host=host,
            port=port,
            workers=workers,
            access_log=False,
            server_header=False,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_worker_healthcheck=STUCK_SECONDS,
        )


def _application(settings: Settings, workers: int) -> Any:
    """The application or, for workers, which make their own, its name. Errors in the configuration are found here."""
    if workers > 1:
        from api.configuration import load_configuration

        load_configuration(settings)
        # It is brought up to date here: workers would wait for each other.
        with opened_store(settings):
            return "api.serving:application"
    from api.serving import application

    return application()


@contextmanager
def _shared(workers: int) -> Iterator[None]:
    """Have several workers share the counters of /metrics and the limits of clients, in files of this server."""
    if workers == 1:
        yield
        return
    from api.security.buckets import SHARED_BUCKETS, create_shared_buckets

    with TemporaryDirectory(prefix="cdp-serve-") as folder:
        metrics, buckets = Path(folder, "metrics"), Path(folder, "buckets")
        metrics.mkdir()
        create_shared_buckets(buckets)
        os.environ.setdefault(SHARED_METRICS, str(metrics))
        os.environ[SHARED_BUCKETS] = str(buckets)
        yield


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"cannot listen: {os.strerror(error.errno) if error.errno else error}",
                where=f"{host}:{port}",
                hint="Choose another --host or --port",
            ) from error
