"""What a module imports is asked for by name, not found because another library happens to bring it along."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions

from tests.architecture.source import ROOT, modules
from tests.architecture.test_imports import internal

DISTRIBUTIONS = packages_distributions()
BROUGHT_BY_LAMBDA = {"chalice"}
"""Chalice puts its own runtime into the bundle; on a machine of one's own only the tests have it."""

USED_BY_NAME = {"httptools", "uvloop", "tzdata"}
"""What uvicorn and zoneinfo load by themselves."""


def test_every_library_that_is_imported_is_required_and_no_other() -> None:
    required = {line.strip().lower() for line in (ROOT / "local_runtime/requirements.in").read_text().splitlines()}
    imported = {
        name.split(".")[0]
        for module in modules()
        for name in module.imports()
        if not internal(name) and name.split(".")[0] not in sys.stdlib_module_names
    } - BROUGHT_BY_LAMBDA
    asked = {top: {one.lower().replace("_", "-") for one in DISTRIBUTIONS.get(top, [])} for top in imported}
    assert not [top for top, names in asked.items() if not names & required]
    used = set().union(*asked.values())
    assert required - used - USED_BY_NAME == set()
