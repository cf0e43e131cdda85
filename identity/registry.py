"""The models of a home: `models/<version>/` holds a model and its training report; `models/current` names the model in
use. Without that file, the shipped model is in use. The setting `model` pins one, whatever the file says.
"""

from __future__ import annotations

import re
from pathlib import Path

from cdp.errors import IdentityError
from cdp.settings import Settings
from cdp.warehouse import disk_errors, flush
from identity.model import SHIPPED, Model, load_model, save_model

MODEL, REPORT = "model.json", "report.html"
# The name of the shipped model on the command line.
SHIPPED_NAME = "shipped"
VERSION = re.compile(r"[\w-][\w.-]*")


def model_in_use(settings: Settings) -> Model:
    """The model that is pinned, or else the one named by `models/current`, or else the shipped one.

    Raises:
        IdentityError: there is no such model in this home, or it cannot be read.
    """
    if settings.model:
        return named_model(settings.home, settings.model)
    current = _folder(settings.home) / "current"
    if not current.exists():
        return load_model(SHIPPED)
    try:
        version = current.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise _unknown_current(current) from error
    if not (VERSION.fullmatch(version) and (_folder(settings.home) / version).is_dir()):
        raise _unknown_current(current)
    return load_model(_folder(settings.home) / version / MODEL)


def named_model(home: Path, name: str) -> Model:
    """The model that a user names: `shipped`, a version in this home, or a file.

    Raises:
        IdentityError: there is no such model, or it cannot be read.
    """
    if name == SHIPPED_NAME:
        return load_model(SHIPPED)
    kept = _folder(home) / name / MODEL
    return load_model(kept if VERSION.fullmatch(name) and kept.exists() else Path(name))


def keep_model(home: Path, model: Model, report: str) -> Path:
    """Write a model and its report (HTML) to its folder, and return the folder. The model is written last, because it
    makes the folder usable."""
    folder = _folder(home) / model.version
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT).write_text(report, encoding="utf-8")
        save_model(model, folder / MODEL)
    return folder


def use_model(home: Path, version: str) -> None:
    """Make `current` name a version, atomically: concurrent readers see the old or the new one."""
    fresh = _folder(home) / "current.new"
    with disk_errors(fresh):
        fresh.write_text(version + "\n", encoding="utf-8")
        flush(fresh)
        fresh.replace(_folder(home) / "current")


def _folder(home: Path) -> Path:
    return home / "models"


def _unknown_current(current: Path) -> IdentityError:
    return IdentityError(
        "does not name a model of this home",
        where=str(current),
        hint="Write the name of a sibling folder into it, or remove it to use the shipped model",
    )
