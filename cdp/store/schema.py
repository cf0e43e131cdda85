"""All tables of the store. A change needs a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import sqlalchemy as sa

from cdp.store.columns import METADATA

_DOMAINS = Path(__file__).resolve().parent.parent


def metadata() -> sa.MetaData:
    """The tables declared by the domains. Every `cdp/<domain>/tables.py` is found automatically."""
    for domain in pkgutil.iter_modules([str(_DOMAINS)]):
        if domain.ispkg and (_DOMAINS / domain.name / "tables.py").exists():
            importlib.import_module(f"cdp.{domain.name}.tables")
    return METADATA
