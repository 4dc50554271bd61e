"""What a file looks like: its size, its name, its opening words, and where environment and camelCase may stand."""

import ast
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.architecture.source import ROOT, Module, below, modules

HARD_LIMIT = 400
AIM = 300
LONGEST_FUNCTION = 80
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
READS_ENVIRONMENT = (
    "chalicelib.config",
    "local_runtime.__main__",
    "local_runtime.demo.__main__",
    "local_runtime.host",
)
"""Besides config: the command lines that run before it, with their defaults, and what installs software."""
CAMEL = re.compile(r"^[a-z]+[a-z0-9]*(?:[A-Z][a-z0-9]*)+$")
SPEAKS_CAMEL = ("chalicelib.domain", "chalicelib.ports", "chalicelib.usecases")
TOP_LEVEL = {
    "app.py",
    "chalicelib",
    "handlers",
    "local_runtime",
    "infra",
    "tests",
    "script",
    "docs",
    "requirements.txt",
}


def test_no_file_outgrows_the_hard_limit() -> None:
    sizes = {str(module): module.text.count("\n") for module in modules()}
    long = {name: lines for name, lines in sizes.items() if lines > AIM}
    if long:
        print(f"over {AIM} lines, perhaps a second noun hides there: {long}")
    assert not {name: lines for name, lines in long.items() if lines > HARD_LIMIT}


def test_no_function_outgrows_eighty_lines() -> None:
    wrong = {
        f"{module}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert not wrong


def test_no_module_is_named_after_nothing() -> None:
    wrong = [str(module) for module in modules() if FORBIDDEN_NAMES & set(module.name.split("."))]
    assert not wrong


def test_every_module_opens_with_what_it_owns() -> None:
    wrong = [
        str(module)
        for module in modules()
        if module.text.strip() and len((ast.get_docstring(module.tree) or "").strip()) < 20
    ]
    assert not wrong


def test_the_environment_is_read_in_few_places() -> None:
    wrong = [
        str(module)
        for module in modules()
        if not any(below(module.name, place) for place in READS_ENVIRONMENT) and _reads_environment(module)
    ]
    assert not wrong


@pytest.mark.parametrize("unit", SPEAKS_CAMEL)
def test_json_names_stay_in_wire(unit: str) -> None:
    wrong = [
        f"{module}:{line} {name}"
        for module in modules()
        if below(module.name, unit)
        for line, name in _keys(module)
        if CAMEL.match(name)
    ]
    assert not wrong, "\n".join(wrong)


def test_names_of_our_own_are_snake_case() -> None:
    wrong = [
        f"{module}:{line} {name}"
        for module in modules()
        for line, name in _own_names(module)
        if CAMEL.match(name) and not _overrides_a_framework(name)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_script_is_executable_and_tells_its_options() -> None:
    scripts = [path for path in (ROOT / "script").iterdir() if path.is_file() and not path.suffix]
    assert {path.name for path in scripts} >= {"bootstrap", "server", "demo", "test", "lint", "lock", "bench"}
    for path in scripts:
        assert path.stat().st_mode & 0o111, f"{path} is not executable"
        told = subprocess.run([path, "--help"], cwd="/", capture_output=True, text=True, timeout=20, check=False)
        assert told.returncode == 0 and f"usage: script/{path.name}" in told.stdout, told.stderr


def test_nothing_unexpected_stands_on_the_top_level() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    ).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    known = TOP_LEVEL | {
        "vendor",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    }
    assert {name for name in top if not name.startswith(".")} <= known


def _reads_environment(module: Module) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("os", "putenv")}
        for node in ast.walk(module.tree)
    )


def _keys(module: Module) -> Iterator[tuple[int, str]]:
    """Strings used as keys: in dictionary displays, subscripts and `.get(…)`."""
    for node in ast.walk(module.tree):
        found: list[ast.expr | None] = []
        if isinstance(node, ast.Dict):
            found = list(node.keys)
        elif isinstance(node, ast.Subscript):
            found = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            found = list(node.args[:1])
        for key in found:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.lineno, key.value


def _own_names(module: Module) -> Iterator[tuple[int, str]]:
    """Names this module gives: functions, arguments, variables."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def _overrides_a_framework(name: str) -> bool:
    """Methods whose names others chose: of http.server, and of logging."""
    return re.match(r"^do_[A-Z]+$", name) is not None or name in {"formatTime", "formatException", "handleError"}
