"""Reads the project's source as syntax trees: its modules, what they import, and the names in them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("chalicelib", "handlers", "local_runtime")


@dataclass(frozen=True)
class Module:
    """One file of source; `name` is its dotted name."""

    path: Path

    @property
    def name(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    def imports(self) -> Iterator[str]:
        """Dotted names of all it imports, wherever in the file; for `from a import b`, `a.b` when that is a module."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = self._source_of(node)
                for alias in node.names:
                    whole = f"{source}.{alias.name}"
                    yield whole if is_module(whole) else source

    def _source_of(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        keep = len(package) - node.level + (self.path.name == "__init__.py")
        return ".".join([*package[:keep], *([node.module] if node.module else [])])

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


def is_module(name: str) -> bool:
    """Whether a dotted name is a module of this project."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """Every module of the project's own packages, and app.py."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    app = ROOT / "app.py"
    return tuple(Module(path) for path in [*([app] if app.exists() else []), *files])


def below(name: str, prefix: str) -> bool:
    """Whether a dotted name is the prefix or lies below it."""
    return name == prefix or name.startswith(f"{prefix}.")
