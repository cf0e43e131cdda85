"""Folders of providers beside the shipped ones, as if they stood in `cdp/providers/`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cdp.providers


@contextmanager
def added_provider(root: Path, name: str, files: Mapping[str, str]) -> Iterator[None]:
    """A provider whose folder is written below `root`, by the names of its files; `__init__.py` need not be given."""
    folder = root / name
    folder.mkdir(parents=True)
    for file, text in {"__init__.py": "", **files}.items():
        (folder / file).write_text(text)
    cdp.providers.__path__.append(str(root))
    try:
        yield
    finally:
        cdp.providers.__path__.remove(str(root))
        for module in [module for module in sys.modules if f"{module}.".startswith(f"cdp.providers.{name}.")]:
            del sys.modules[module]
