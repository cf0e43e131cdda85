"""The house's rules, held by tests: who may import whom, what no file says, and that the public is documented."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from cdp.channels import CHANNEL_NAMES

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cdp", "identity", "pipelines", "api")
NOT_OURS = {".git", ".venv", "var", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__", ".hypothesis"}
# Put together here, so that this file does not say it either.
INDEX_HOST = re.compile(r"pypi\.(org|python)|pythonhosted|://[\w.-]*(pypi|artifactory|nexus|devpi)[\w.-]*")
INDEX_OPTION = re.compile(r"^\s*--?(i|index-url|extra-index-url|find-links|trusted-host)\b", re.MULTILINE)
LONG_BODY = 8


def our_files() -> list[Path]:
    """What is in version control or about to be; every file, where there is none."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = listed.stdout.split("\0")[:-1] if listed.returncode == 0 else []
    paths = [ROOT / name for name in names] or list(ROOT.rglob("*"))
    return [path for path in paths if path.is_file() and not NOT_OURS & set(path.relative_to(ROOT).parts)]


def texts() -> Iterator[tuple[Path, str]]:
    for path in our_files():
        try:
            yield path.relative_to(ROOT), path.read_text()
        except UnicodeDecodeError:
            continue


def modules(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def test_the_import_rules_hold() -> None:
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


# Alembic loads these folders by their path.
MIGRATIONS = {"migrations", "versions"}
# What every domain may use; everything else in `cdp/` is a domain, and a folder.
GROUND = {"errors", "settings", "ids", "channels", "fields", "contract", "json_text", "warehouse", "yaml_files"}


def contracts() -> list[dict[str, Any]]:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    found: list[dict[str, Any]] = configured["contracts"]
    return found


def test_no_import_is_ignored() -> None:
    assert [contract["name"] for contract in contracts() if "ignore_imports" in contract] == []


def test_every_part_of_cdp_stands_on_a_floor() -> None:
    (staircase,) = (contract for contract in contracts() if contract["type"] == "layers")
    floors = {name for step in staircase["layers"] for name in re.split(r"[|:\s]+", step)}
    folders = [path for path in (ROOT / "cdp").rglob("*") if path.is_dir() and any(path.glob("*.py"))]
    # Without it, no contract sees what a folder imports.
    assert [path.name for path in folders if not (path / "__init__.py").exists() and path.name not in MIGRATIONS] == []
    parts = {f"cdp.{module.name}" for module in pkgutil.iter_modules([str(ROOT / "cdp")])}
    assert parts <= floors, sorted(parts - floors)
    assert {"api", "pipelines", "identity"} <= floors


def test_what_is_no_domain_is_ground() -> None:
    loose = {path.stem for path in (ROOT / "cdp").glob("*.py")} - {"__init__"}
    assert loose == GROUND
    assert [path.name for path in (ROOT / "cdp").iterdir() if path.is_file() and path.suffix != ".py"] == []


def test_providers_do_not_know_each_other() -> None:
    others = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules("cdp/providers")
        for name in re.findall(r"cdp\.providers\.(\w+)\.", path.read_text())
        if name != path.parent.name
    ]
    assert others == []


# `email` is a type of address, too.
CHANNEL = re.compile(rf"""["']({"|".join(set(CHANNEL_NAMES) - {"email", "web", "app", "store"})})["']""")
# A provider serves certain channels, and the simulation plays a certain company.
KNOW_CHANNELS = ("cdp/channels.py", "cdp/providers/", "pipelines/simulate/")


def test_channels_are_named_in_one_place() -> None:
    naming = [
        str(path)
        for path, text in texts()
        if path.suffix in {".py", ".sql"}
        and path.parts[0] in PACKAGES
        and not str(path).startswith(KNOW_CHANNELS)
        and CHANNEL.search(text)
    ]
    assert naming == []


def test_no_file_names_a_package_index() -> None:
    naming = [str(path) for path, text in texts() if INDEX_HOST.search(text) and path.name != Path(__file__).name]
    assert naming == []
    assert not INDEX_OPTION.search((ROOT / "requirements.lock").read_text())


def test_no_file_holds_a_path_of_this_machine() -> None:
    places = {str(place) for place in (ROOT, ROOT.parent, Path.home()) if len(str(place)) > 1}
    path_here = re.compile(r"(?<![\w.\-/$}])(" + "|".join(map(re.escape, sorted(places))) + r")/")
    holding = [str(path) for path, text in texts() if path_here.search(text)]
    assert holding == []


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body


def public(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in tree.body:
        is_definition = isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if is_definition and not node.name.startswith("_"):
            yield node


def test_what_is_public_in_the_vocabulary_is_documented() -> None:
    """Every class, and every function that is too long to be its own description."""
    undocumented = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules("cdp")
        for node in public(ast.parse(path.read_text()))
        if not ast.get_docstring(node)
        and (isinstance(node, ast.ClassDef) or (node.end_lineno or 0) - node.lineno >= LONG_BODY)
    ]
    assert undocumented == []


def test_nobody_catches_everything() -> None:
    broad = re.compile(r"except\s*:|except\s+(Base)?Exception\b")
    catching = [str(path) for path in modules(*PACKAGES) if broad.search(path.read_text())]
    assert catching == []
