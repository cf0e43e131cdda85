"""The API server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from cdp.cli import terminal
from cdp.cli.common import load_settings
from cdp.errors import Unavailable
from cdp.settings import keep_private

app = typer.Typer()

# How long open requests may take after the server is told to stop.
GRACE_SECONDS = 30
# The environment variable in which prometheus-client expects the folder.
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="The number of processes.")] = 1,
) -> None:
    """Serve the API. Documentation is at /docs.

    Example: cdp serve --port 8000 --workers 2
    """
    import uvicorn

    from api.app import app_factory

    settings = load_settings()
    keep_private(settings.home)
    _check_port(host, port)
    # Errors are found here and reported in one line; otherwise a worker would be restarted again and again.
    application = app_factory()
    terminal.err.print(
        f"The API is at http://{host}:{port}, its documentation at /docs; press Ctrl-C to stop", markup=False
    )
    with _shared_metrics(workers):
        uvicorn.run(
            # Workers are processes that make their own.
            application if workers == 1 else "api.app:app_factory",
            factory=workers > 1,
            host=host,
            port=port,
            workers=workers,
            access_log=False,
            server_header=False,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Have several workers share their counters in a folder, so that each answers /metrics for all of them."""
    if workers == 1 or SHARED_METRICS in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="cdp-metrics-") as folder:
        os.environ[SHARED_METRICS] = folder
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
