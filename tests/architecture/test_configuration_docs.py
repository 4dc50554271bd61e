"""docs/configuration.md names every setting there is, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = "".join(path.read_text() for path in sorted((ROOT / "chalicelib").glob("*.py")))
LABEL_CODE = (ROOT / "chalicelib/domain/labels.py").read_text()
DOCUMENT = (ROOT / "docs/configuration.md").read_text()

_PLAIN = re.compile(r'"((?:DD|SLIPWAY|AWS|DOCKER)_[A-Z_]+[A-Z])"')
_OF_COMPONENT = re.compile(r"\{prefix\}([A-Z_]+)")
_DOCUMENTED = re.compile(r"`((?:DD|SLIPWAY|AWS|DOCKER)_[A-Za-z_{}]+)`")
_SET_BY_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME"}


def test_every_setting_is_documented() -> None:
    documented = set(_DOCUMENTED.findall(DOCUMENT))
    missing = set(_PLAIN.findall(CODE)) - documented - _SET_BY_LAMBDA
    assert not missing


def test_every_setting_of_a_component_is_documented() -> None:
    endings = {name.rpartition("}_")[2] for name in _DOCUMENTED.findall(DOCUMENT)}
    assert not set(_OF_COMPONENT.findall(CODE)) - endings


def test_every_documented_setting_exists() -> None:
    known = set(_PLAIN.findall(CODE))
    endings = set(_OF_COMPONENT.findall(CODE)) | {"USER", "HASH", "{key}"}
    features = {
        f"DD_SERVER_FEATURE_{name.upper()}" for name in re.findall(r"_FEATURES = \((.*?)\)", CODE)[0].split('"')
    }
    invented = [
        name
        for name in _DOCUMENTED.findall(DOCUMENT)
        if not name.startswith("DD_REGISTRY_")
        and name not in known | features
        and name.rpartition("}_")[2] not in endings
    ]
    assert not invented


def test_every_label_is_documented() -> None:
    asked = set(re.findall(r'(?:label|flag)\(labels, "([a-z.]+)"\)', LABEL_CODE))
    assert not {name for name in asked if f"`dd.{name}`" not in DOCUMENT}
