"""The bundles, made once for all who look at them, and what Lambda brings itself."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra.bundle import bundle
from tests.infra.lambda_runtime import lambda_libraries


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundles and their template."""
    out = tmp_path_factory.mktemp("build")
    bundle(out)
    return out


@pytest.fixture(scope="session")
def task(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The API's bundle, unpacked into an empty directory."""
    return _unpacked(build / "deployment.zip", tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="session")
def sender_task(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The senders' bundle, unpacked into an empty directory."""
    return _unpacked(build / "sender.zip", tmp_path_factory.mktemp("sender"))


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lambda brings itself."""
    return lambda_libraries(tmp_path_factory.mktemp("runtime") / "libraries")


def _unpacked(archive: Path, directory: Path) -> Path:
    with zipfile.ZipFile(archive) as found:
        found.extractall(directory)
    return directory
