"""Where store tests run: SQLite always, PostgreSQL when CDP_TEST_POSTGRES_URL names a server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

POSTGRES_URL = os.environ.get("CDP_TEST_POSTGRES_URL")

BACKENDS = (
    "sqlite",
    pytest.param(
        "postgresql",
        marks=pytest.mark.skipif(POSTGRES_URL is None, reason="CDP_TEST_POSTGRES_URL is not set"),
    ),
)


@contextmanager
def empty_store_url(backend: str, folder: Path) -> Iterator[str]:
    """The URL of a store that holds nothing yet: a new file, or a schema that is dropped afterwards."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'store.sqlite'}"
        return
    assert POSTGRES_URL
    schema = f"cdp_test_{uuid.uuid4().hex}"
    engine = sa.create_engine(POSTGRES_URL)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    url = sa.make_url(POSTGRES_URL).update_query_dict({"options": f"-csearch_path={schema}"})
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))
        engine.dispose()
