"""Make what is deployed: `python -m infra.bundle --out build/` writes `deployment.zip`, `sender.zip` and `sam.json`.

Chalice packages a clean copy of the sources without the libraries Lambda brings itself; then the sources are compiled
(Lambda cannot write byte code and would compile at every cold start) and zipped so that the same input gives the same
bytes. Whoever sends notifications has a zip of its own, with the libraries of `infra/senders.txt`, so that the API's
stays small.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from infra import database

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("app.py", "requirements.txt", "chalicelib", "handlers", "vendor", ".chalice")
_NEVER = shutil.ignore_patterns("__pycache__", "*.pyc", "deployments", "deployed")
_POWERTOOLS = (
    *("auth_alpha", "batch", "circuit_breaker", "data_classes", "data_masking", "feature_flags", "idempotency"),
    *("kafka", "metadata", "parameters", "parser", "streaming", "validation"),
)
_UNUSED = (
    *("cffi", "aws_lambda_powertools/event_handler"),
    *(f"aws_lambda_powertools/utilities/{name}" for name in _POWERTOOLS),
)
"""Parts of our libraries that nothing here imports: cffi's compiler, a web framework, and tools beside the logger."""
_ELSEWHERE = ("registry", "patterns.py")
"""Adapters that only an executor uses: their libraries are not here either."""
_OF_SENDERS = ("notify",)
"""Adapters that the API has no use for."""
_SENDERS = ROOT / "infra" / "senders.txt"
_PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")
_UNUSED_BY_SENDERS = ("bin", "kafka/cli", "kafka/benchmarks", "apprise/cli.py", "oauthlib/openid", "apprise/i18n")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


class PackagingFailed(Exception):
    """Chalice or pip could not package; the message is what it said."""


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.bundle", description="Make the Lambda bundle.")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="where to write it (default: build/)")
    parser.add_argument("--stage", default="dev", help="a stage of .chalice/config.json (default: dev)")
    chosen = parser.parse_args(arguments)
    try:
        bundle(chosen.out, chosen.stage)
    except PackagingFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    for made in (chosen.out / "deployment.zip", chosen.out / "sender.zip"):
        sys.stdout.write(f"{made}  {made.stat().st_size:,} bytes\n")
    return 0


def bundle(out: Path, stage: str = "dev") -> None:
    """Write `deployment.zip`, `sender.zip` and `sam.json` to a directory; raises PackagingFailed."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="slipway-bundle-") as scratch:
        names = ("sources", "packaged", "unpacked", "sender")
        sources, packaged, unpacked, sender = (Path(scratch) / name for name in names)
        _copy(sources)
        extra = Path(scratch) / "resources.json"
        extra.write_text(json.dumps(template()))
        _package(sources, packaged, extra, stage)
        with zipfile.ZipFile(packaged / "deployment.zip") as archive:
            archive.extractall(unpacked)
        _strip(unpacked)
        shutil.copytree(unpacked, sender, symlinks=True)
        for name in _OF_SENDERS:
            shutil.rmtree(unpacked / "chalicelib" / "adapters" / name)
        _compile(unpacked)
        _zip(unpacked, out / "deployment.zip")
        _install(sender)
        _compile(sender)
        _zip(sender, out / "sender.zip")
        # CloudFormation takes templates of at most a megabyte, and Chalice spends most of that on white space.
        made = json.loads((packaged / "sam.json").read_text())
        (out / "sam.json").write_text(json.dumps(made, indent=1))


def template() -> dict[str, Any]:
    """What is merged into Chalice's template: `resources.yaml` and the tables."""
    merged: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "resources.yaml").read_text())
    merged["Resources"] |= database.resources()
    return merged


def _copy(target: Path) -> None:
    target.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, symlinks=True, ignore=_NEVER)
        else:
            shutil.copyfile(source, target / name)


def _package(sources: Path, out: Path, extra: Path, stage: str) -> None:
    environment = os.environ | {"PIP_NO_DEPS": "1", "PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "us-east-1"}
    environment.pop("PYTHONPATH", None)
    chalice = Path(sys.executable).with_name("chalice")
    command = [chalice, "package", "--stage", stage, "--merge-template", extra, out]
    done = subprocess.run(command, cwd=sources, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackagingFailed(f"chalice package failed:\n{done.stdout}{done.stderr}")


def _install(directory: Path) -> None:
    """The senders' libraries, for the Python that runs this on Lambda's system."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    platforms = [word for one in _PLATFORMS for word in ("--platform", one)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", "--only-binary=:all:", "--python-version", version, "--target", str(directory)]
    done = subprocess.run([*command, *platforms, "-r", _SENDERS], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackagingFailed(f"pip install failed:\n{done.stdout}{done.stderr}")
    for name in _UNUSED_BY_SENDERS:
        path = directory / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def _strip(directory: Path) -> None:
    """Leave out what nothing imports there."""
    adapters = directory / "chalicelib" / "adapters"
    unused = [
        *directory.glob("*.dist-info"),
        *(directory / name for name in _UNUSED),
        *(adapters / name for name in _ELSEWHERE),
    ]
    for path in unused:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _compile(directory: Path) -> None:
    # Unchecked: file times mean nothing in a reproducible zip, and nobody edits sources on Lambda.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    # Beside its source, wherever else byte code goes on this machine: Lambda looks for it there.
    elsewhere, sys.pycache_prefix = sys.pycache_prefix, None
    try:
        compiled = compileall.compile_dir(
            directory, quiet=1, stripdir=str(directory), prependdir="/var/task", invalidation_mode=mode
        )
    finally:
        sys.pycache_prefix = elsewhere
    if not compiled:
        raise PackagingFailed("Some sources of the bundle do not compile.")


def _zip(directory: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
