"""Who may import whom: the table of design §2, module by module, and the contracts of pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, Module, below, is_module, modules

EVERYWHERE = {"chalicelib"}
"""The package itself holds nothing but the version."""

MAY_IMPORT = {
    "chalicelib.domain": {"chalicelib.domain"},
    "chalicelib.ports": {"chalicelib.ports", "chalicelib.domain"},
    "chalicelib.wire": {"chalicelib.wire", "chalicelib.domain"},
    "chalicelib.usecases": {"chalicelib.usecases", "chalicelib.domain", "chalicelib.ports"},
    "chalicelib.adapters": {"chalicelib.adapters", "chalicelib.domain", "chalicelib.ports", "chalicelib.wire"},
    "chalicelib.config": {
        "chalicelib.domain",
        "chalicelib.settings_hooks",
        "chalicelib.settings_oidc",
        "chalicelib.settings_reader",
        "chalicelib.settings_security",
        "chalicelib.settings_triggers",
        "chalicelib.settings_watchers",
    },
    "chalicelib.settings_reader": set(),
    "chalicelib.settings_watchers": {"chalicelib.domain", "chalicelib.settings_reader"},
    "chalicelib.settings_hooks": {"chalicelib.domain", "chalicelib.settings_reader"},
    "chalicelib.settings_oidc": {"chalicelib.settings_reader"},
    "chalicelib.settings_security": {"chalicelib.domain", "chalicelib.settings_reader"},
    "chalicelib.settings_triggers": {"chalicelib.domain", "chalicelib.settings_reader"},
    "chalicelib.bootstrap": {"chalicelib"},
    "chalicelib.bootstrap_stores": {"chalicelib"},
    "chalicelib.sending": {"chalicelib.bootstrap", "chalicelib.domain", "chalicelib.usecases"},
    "handlers": {"handlers", "chalicelib.usecases", "chalicelib.wire", "chalicelib.domain", "chalicelib.ports"},
    "app": {
        "handlers",
        "chalicelib.bootstrap",
        "chalicelib.config",
        "chalicelib.sending",
        "chalicelib.usecases.deliver",
        "chalicelib.wire.log_line",
    },
    "local_runtime.engine": {"local_runtime.engine", "chalicelib.domain", "chalicelib.ports"},
    "local_runtime.executor": {
        "local_runtime.executor",
        "local_runtime.engine",
        "chalicelib.domain",
        "chalicelib.ports",
        "chalicelib.usecases",
        "chalicelib.wire.command",
        "chalicelib.wire.log_line",
        "chalicelib.bootstrap",
        "chalicelib.config",
        "chalicelib.sending",
        "chalicelib.settings_security",
    },
    "local_runtime.server": {
        "local_runtime.server",
        "handlers",
        "chalicelib.domain",
        "chalicelib.ports",
        "chalicelib.usecases",
        "chalicelib.wire",
        "chalicelib.bootstrap",
    },
    "local_runtime.store": {"local_runtime.store", "chalicelib.config", "chalicelib.adapters.dynamo"},
    "local_runtime.host": {"local_runtime.host"},
    "local_runtime.demo": {"local_runtime.demo", "local_runtime.host", "local_runtime.programs"},
    "local_runtime.programs": {"local_runtime.programs"},
    "local_runtime.tether": {"local_runtime.tether"},
    "local_runtime.child": {"local_runtime.programs"},
    "local_runtime.panel": set(),
    "local_runtime.supervisor": {"local_runtime.child", "local_runtime.programs"},
    "local_runtime.__main__": {
        "chalicelib.config",
        "local_runtime.demo",
        "local_runtime.host",
        "local_runtime.panel",
        "local_runtime.programs",
        "local_runtime.supervisor",
    },
    "chalicelib": set(),
    "local_runtime": set(),
}

BESIDES = ("infra", "script", "tests")
"""What imports the packages, often within a function where nothing else would notice a module that has moved."""

OUTSIDE_ONLY_FOR = {
    "boto3": ("chalicelib.adapters",),
    "botocore": ("chalicelib.adapters", "chalicelib.bootstrap_stores", "local_runtime.store"),
    "pynamodb": ("chalicelib.adapters",),
    "httpx": ("chalicelib.adapters",),
    "docker": ("local_runtime.engine", "local_runtime.demo"),
    "moto": ("local_runtime.store",),
    "chalice": ("app",),
    "fastapi": ("local_runtime.server",),
    "starlette": ("local_runtime.server",),
    "mangum": ("local_runtime.server",),
    "uvicorn": ("local_runtime.server",),
}

STANDARD_LIBRARY_ONLY = ("chalicelib.domain", "local_runtime.host", "local_runtime.tether", "local_runtime.programs")
NOT_IN_THE_DOMAIN = {
    "os",
    "logging",
    "time",
    "socket",
    "subprocess",
    "threading",
    "asyncio",
    "random",
    "secrets",
    "uuid",
}


def unit_of(name: str) -> str:
    """The row of the table a module belongs to: the longest that fits."""
    rows = [row for row in MAY_IMPORT if below(name, row)]
    return max(rows, key=len)


def internal(name: str) -> bool:
    return name.split(".")[0] in PACKAGES


@pytest.mark.parametrize("unit", MAY_IMPORT)
def test_a_unit_imports_only_what_the_design_allows(unit: str) -> None:
    allowed = MAY_IMPORT[unit] | {unit}
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if module.name and unit_of(module.name) == unit
        for name in module.imports()
        if internal(name) and name not in EVERYWHERE and not any(below(name, one) for one in allowed)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_import_of_ours_leads_to_a_module_that_is_there() -> None:
    others = [Module(path) for folder in BESIDES for path in sorted((ROOT / folder).rglob("*.py"))]
    wrong = [
        f"{module} imports {name}"
        for module in [*modules(), *others]
        for name in module.imports()
        if name.split(".")[0] in (*PACKAGES, *BESIDES) and not is_module(name)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", OUTSIDE_ONLY_FOR)
def test_a_third_party_library_stays_where_it_belongs(library: str) -> None:
    homes = OUTSIDE_ONLY_FOR[library]
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if not any(below(module.name, home) for home in homes)
        for name in module.imports()
        if below(name, library)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("unit", STANDARD_LIBRARY_ONLY)
def test_a_pure_unit_imports_the_standard_library_alone(unit: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if below(module.name, unit)
        for name in module.imports()
        if not internal(name) and name.split(".")[0] not in sys.stdlib_module_names
    ]
    assert not wrong, "\n".join(wrong)


def test_the_domain_reads_no_clock_no_environment_and_no_log() -> None:
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if below(module.name, "chalicelib.domain")
        for name in module.imports()
        if name.split(".")[0] in NOT_IN_THE_DOMAIN
    ]
    calls = [
        f"{module} calls now()"
        for module in modules()
        if below(module.name, "chalicelib.domain") and _asks_time(module)
    ]
    assert not wrong + calls, "\n".join(wrong + calls)


def test_no_module_imports_more_than_a_dozen_of_ours() -> None:
    wrong = {
        str(module): len(found)
        for module in modules()
        if module.name not in ("chalicelib.bootstrap", "chalicelib.bootstrap_stores")
        if len(found := {name for name in module.imports() if internal(name)}) > 15
    }
    assert not wrong, f"more than 15 internal imports (a dozen is the aim): {wrong}"


def test_the_contracts_of_pyproject_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def _asks_time(module: Module) -> bool:
    return any(call in module.text for call in ("datetime.now(", "datetime.utcnow(", "date.today(", "time.time("))
