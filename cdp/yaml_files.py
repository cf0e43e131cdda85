"""YAML files that people write: read safely, with the line of each field for error messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cdp.errors import ConfigurationError

# Ten times as fast where PyYAML comes with libyaml.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_DEEPEST = 100

# The path to a field: keys of mappings and positions in lists.
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The content of a file, and the tree that knows the lines. where: names the file in errors."""

    where: str
    content: Any
    root: yaml.Node | None

    def refusal(self, place: Place, problem: str, hint: str | None = None) -> ConfigurationError:
        """The error that names the file, the line of the field and the problem."""
        return ConfigurationError(problem, where=f"{self.where}:{self.line_of(place)}", hint=hint)

    def line_of(self, place: Place) -> int:
        """The line of the field at `place`, or of its innermost enclosing field that exists."""
        node, line = self.root, 1
        for part in place:
            if isinstance(node, yaml.MappingNode):
                found = next((pair for pair in node.value if pair[0].value == part), None)
                if found is None:
                    break
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line


# Pydantic's words for what a file of ours has wrong, in words for those who write it.
_PLAIN = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
}


def first_problem(error: ValidationError) -> tuple[Place, str]:
    """The place and the words of the error that helps most.

    A mistyped key also leaves the right one missing: the error about the existing key is more helpful.
    """
    first = min(error.errors(include_url=False), key=lambda found: found["type"] == "missing")
    return first["loc"], _PLAIN.get(first["type"], first["msg"].removeprefix("Value error, "))


def read_yaml(path: Path, what: str, *, are_scalars_text: bool = False) -> Document:
    """Read a file; `what` names it in errors, such as `the policy`.

    Args:
        are_scalars_text: `yes`, `1` and dates stay as they are written.

    Raises:
        ConfigurationError: it cannot be read, is not YAML, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {what}: {error}", where=str(path)) from error
    return parse_yaml(text, str(path), are_scalars_text=are_scalars_text)


def parse_yaml(text: str, where: str, *, are_scalars_text: bool = False) -> Document:
    """Parse YAML; `where` names it in errors. Raises like `read_yaml`."""
    try:
        root, content = _parsed(text, _TEXT_LOADER if are_scalars_text else _LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "syntax error"
        raise ConfigurationError(f"not YAML: {problem}", where=f"{where}{line}") from error
    except ValueError as error:
        # Nested too deeply, or a date such as 2026-02-30.
        raise ConfigurationError(f"invalid YAML: {error}", where=where) from error
    for key in _repeated_keys(root):
        raise ConfigurationError(f"{key.value}: duplicate key", where=f"{where}:{key.start_mark.line + 1}")
    return Document(where, content, root)


def _parsed(text: str, make_loader: Any) -> tuple[yaml.Node | None, Any]:
    """The tree and the content."""
    _require_shallow(text)
    loader = make_loader(text)
    try:
        root = loader.get_single_node()
        return root, loader.construct_document(root) if root else None
    finally:
        loader.dispose()


def _require_shallow(text: str) -> None:
    """Refuse what is nested so deeply that a parser in C would overflow its stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")


def _repeated_keys(root: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """Duplicate keys: YAML forbids them, but the parser silently takes the last one."""
    waiting, visited = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in keys:
                    yield key
                keys.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
