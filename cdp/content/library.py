"""The library of templates: a folder with a file each (`CDP_TEMPLATES`), and the brand (`CDP_BRAND`).

`welcome.yaml` is the template `welcome`. Everything is checked as it is loaded: no broken template is ever in use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from cdp.content.checking import Problem, problems_of
from cdp.content.compiled import Compiled, compile_template
from cdp.content.liquid import ContentRefused
from cdp.content.model import Brand, Template
from cdp.errors import ConfigurationError, InputRefused
from cdp.yaml_files import Document, Place, first_problem, read_yaml

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HINT = "Compare with the shipped data/templates/welcome.yaml, which explains each field"

Model = TypeVar("Model", Brand, Template)


class Library:
    """Templates by name, all compiled under the brand."""

    def __init__(self, brand: Brand, templates: Mapping[str, Compiled]) -> None:
        self.brand = brand
        self._templates = templates

    @property
    def templates(self) -> Mapping[str, Compiled]:
        return self._templates

    def require(self, name: str) -> Compiled:
        """The template of this name.

        Raises:
            InputRefused: there is none.
        """
        if name not in self._templates:
            known = ", ".join(self._templates) or "none"
            raise InputRefused("unknown template", hint=f"Templates are: {known}")
        return self._templates[name]


def load_library(folder: Path, brand: Path) -> Library:
    """Read and check the brand and all templates.

    Raises:
        ConfigurationError: the first problem, with file, line and field.
    """
    found = load_brand(brand)
    return Library(found, {path.stem: _in_order(path, found) for path in _files(folder)})


def all_problems(folder: Path, brand: Path) -> Mapping[str, list[ConfigurationError]]:
    """What is wrong with each template, by name; templates in order are left out.

    Raises:
        ConfigurationError: the brand or the folder cannot be used at all.
    """
    found = load_brand(brand)
    problems = {path.stem: _problems(path, found) for path in _files(folder)}
    return {name: wrong for name, wrong in problems.items() if wrong}


def _in_order(path: Path, brand: Brand) -> Compiled:
    compiled, document = _compiled(path, brand)
    for problem in problems_of(compiled):
        raise _refusal(document, problem)
    return compiled


def load_brand(path: Path) -> Brand:
    """Read the brand.

    Raises:
        ConfigurationError: with file, line and field.
    """
    return _validated(read_yaml(path, "the brand"), Brand, "Compare with the shipped data/brand.yaml")


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigurationError("no folder of templates is here", where=str(folder), hint="Set CDP_TEMPLATES")
    files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    for path in files:
        if not _NAME.fullmatch(path.stem):
            raise ConfigurationError("a template's name has lower-case letters, digits and _", where=str(path))
    return files


def _problems(path: Path, brand: Brand) -> list[ConfigurationError]:
    try:
        compiled, document = _compiled(path, brand)
    except ConfigurationError as error:
        return [error]
    return [_refusal(document, problem) for problem in problems_of(compiled)]


def _compiled(path: Path, brand: Brand) -> tuple[Compiled, Document]:
    document = read_yaml(path, "the template")
    template = _validated(document, Template, _HINT)
    try:
        return compile_template(path.stem, template, brand), document
    except ContentRefused as error:
        place, _, problem = error.what.partition(": ")
        raise _refusal(document, Problem(_place_of(place), problem or place)) from error


def _place_of(dotted: str) -> Place:
    """The place of a field that an error names, such as `en.email.subject`."""
    return ("languages", *dotted.split("."))


def _refusal(document: Document, problem: Problem) -> ConfigurationError:
    field = ".".join(str(part) for part in problem.place)
    return document.refusal(problem.place, f"{field}: {problem.words}" if field else problem.words)


def _validated(document: Document, model: type[Model], hint: str) -> Model:
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        loc, problem = first_problem(error)
        # The names of forms are no fields.
        place = tuple(part for part in loc if not str(part)[:1].isupper())
        field = ".".join(map(str, place)) or document.where
        raise document.refusal(place, f"{field}: {problem}", hint) from error
