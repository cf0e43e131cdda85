"""The models of a home: `models/<version>/` holds one and the report of its training; `models/current` names the one in
use. Where nothing is named, the shipped model is in use.
"""

from __future__ import annotations

import re
from pathlib import Path

from cdp.errors import IdentityError
from cdp.warehouse import disk_errors, flush
from identity.model import SHIPPED, Model, load_model, save_model

MODEL, REPORT = "model.json", "report.html"
# As an option of the command line names the model that every home has.
SHIPPED_NAME = "shipped"
VERSION = re.compile(r"[\w-][\w.-]*")


def model_in_use(home: Path) -> Model:
    """The model that the home's `models/current` names, else the shipped one.

    Raises:
        IdentityError: `current` names no model of this home, or that one cannot be read.
    """
    current = _folder(home) / "current"
    if not current.exists():
        return load_model(SHIPPED)
    try:
        version = current.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise _names_none(current) from error
    if not (VERSION.fullmatch(version) and (_folder(home) / version).is_dir()):
        raise _names_none(current)
    return load_model(_folder(home) / version / MODEL)


def named_model(home: Path, name: str) -> Model:
    """The model that a user means by `shipped`, a version of this home, or a file.

    Raises:
        IdentityError: there is none, or it cannot be read.
    """
    if name == SHIPPED_NAME:
        return load_model(SHIPPED)
    kept = _folder(home) / name / MODEL
    return load_model(kept if VERSION.fullmatch(name) and kept.exists() else Path(name))


def keep_model(home: Path, model: Model, report: str) -> Path:
    """Write a model and its report (HTML) to its folder, which is returned. The model comes last: it makes the folder
    one that can be used."""
    folder = _folder(home) / model.version
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT).write_text(report, encoding="utf-8")
        save_model(model, folder / MODEL)
    return folder


def use_model(home: Path, version: str) -> None:
    """Make `current` name a version, in one step: who reads it meanwhile has the one or the other."""
    fresh = _folder(home) / "current.new"
    with disk_errors(fresh):
        fresh.write_text(version + "\n", encoding="utf-8")
        flush(fresh)
        fresh.replace(_folder(home) / "current")


def _folder(home: Path) -> Path:
    return home / "models"


def _names_none(current: Path) -> IdentityError:
    return IdentityError(
        "names no model of this home",
        where=str(current),
        hint="Write the name of a folder beside it into it, or remove it to use the shipped model",
    )
