"""Signatures of images in real registries: by a stand-in that repeats Cosign 2.6, and by the real one on the PATH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.container import Platform
from chalicelib.ports.engine import RegistryAuth
from chalicelib.ports.scanner import Subject, Verification
from chalicelib.settings_security import SecuritySettings, ToolSettings
from local_runtime.executor.scanners.call import ToolFailed
from local_runtime.executor.scanners.toolbox import instruments
from tests.builders.tools import StandIns
from tests.docker.registry import PASSWORD, USER
from tests.docker.rig import ImageRegistry, image_registry
from tests.docker.signing import ISSUER, NO_LOG, SIGNER, Keys, Signer, move_signature
from tests.fakes.services import StillClock

COSIGN = shutil.which("cosign")
PROGRAMS = ["stand-in cosign", *(["cosign"] if COSIGN else [])]
REPOSITORY = "signed/web"


@dataclass(frozen=True)
class Case:
    """How one image is verified, and what Cosign makes of it."""

    image: str
    document: str
    signatures: int = 0
    problem: str = ""
    code: int = 0
    key: str | None = "ours"
    signer: str | None = None
    form: str = ""

    @property
    def scene(self) -> dict[str, Any]:
        """What the stand-in does."""
        return {"code": self.code, "complaint" if self.code else "output": self.document}

    def settings(self, program: str, keys: Keys, home: Path) -> SecuritySettings:
        extra = {"bundle": keys.bundled, "certified": keys.certified}.get(self.form, ())
        return SecuritySettings(
            scanner="trivy",
            verify_signatures=True,
            tool_environment={"PATH": "/usr/bin:/bin", "HOME": str(home)},
            cosign=ToolSettings((program,), 100.0, (*NO_LOG, *extra)),
            cosign_key=keys.public(self.key) if self.key else None,
            cosign_identity=self.signer,
            cosign_issuer=ISSUER if self.signer else None,
        )


SIGNED = [
    Case("signed", "cosign-2.6-key.json", 1),
    Case("bundled", "cosign-2.6-bundle.json", 1, form="bundle"),
    Case("certified", "cosign-2.6-identity.json", 1, key=None, signer=SIGNER, form="certified"),
]
UNSIGNED = [
    Case("unsigned", "cosign-2.6-unsigned.txt", code=10, problem="no signatures found"),
    Case(
        "signed", "cosign-2.6-wrong-key.txt", code=12, key="other", problem="no matching signatures: invalid signature"
    ),
    Case("moved", "cosign-2.6-moved.txt", code=12, problem="invalid or missing digest in claim"),
    Case("forged", "cosign-2.6-forged.txt", code=12, problem="no matching signatures: invalid signature"),
    Case("bundled", "cosign-2.6-bundle-wrong-key.txt", code=1, key="other", form="bundle", problem="no matching att"),
    Case("unsigned", "cosign-2.6-bundle-unsigned.txt", code=1, form="bundle", problem="no valid bundles"),
    Case(
        "certified",
        "cosign-2.6-other-identity.txt",
        code=12,
        key=None,
        signer="other@example.org",
        form="certified",
        problem="none of the expected identities matched",
    ),
    Case(
        "signed",
        "cosign-2.6-no-certificate.txt",
        code=12,
        key=None,
        signer=SIGNER,
        form="certified",
        problem="no certificate found on signature",
    ),
]
UNCLEAR = [
    Case("unsigned", "cosign-2.6-no-key.txt", code=1, key="nobody", problem="loading public key: open .*no such file"),
    Case("missing", "cosign-2.6-missing-tag.txt", code=11, problem="image tag not found"),
]


def named(case: Case) -> str:
    return case.document


class Gallery:
    """Images with all kinds of signatures; without a real Cosign nobody signs them, and a stand-in does not look."""

    def __init__(self, registry: ImageRegistry, folder: Path) -> None:
        self.keys = Keys(folder / "keys")
        self.home = folder
        self._registry = registry
        names = ("signed", "bundled", "certified", "unsigned", "moved", "forged")
        self._digests = {name: registry.push_image(REPOSITORY, files={"name": name}) for name in names}
        self.signer = Signer(COSIGN, self.keys) if COSIGN else None
        if self.signer:
            self.signer.sign(self._reference("signed"))
            self.signer.sign(self._reference("bundled"), bundle=True)
            self.signer.sign_certified(self._reference("certified"))
            for name in ("moved", "forged"):
                signed = self._digests["signed"]
                move_signature(registry, REPOSITORY, signed, self._digests[name], forged=name == "forged")

    def verify(self, program: str, case: Case) -> Verification:
        """What the verifier of an executor says. Raises ToolFailed."""
        digest = self._digests.get(case.image, "")
        reference = self._reference(case.image)
        subject = Subject(reference, reference, digest, Platform("amd64", "linux"), registry=self._registry.address)
        return verified(program, case, subject, self.keys, self.home, case.scene)

    def _reference(self, name: str) -> str:
        return self._registry.reference(REPOSITORY, self._digests.get(name, "none"))


def verified(
    program: str, case: Case, subject: Subject, keys: Keys, home: Path, *scenes: Mapping[str, Any]
) -> Verification:
    """By this program; a stand-in plays the scenes. Raises ToolFailed."""
    path = COSIGN
    if program != "cosign":
        tools = StandIns(home / "bin")
        tools.play("cosign", *map(dict, scenes))
        path = tools.path("cosign")
    verifier = instruments(case.settings(str(path), keys, home), home, StillClock(), None).verifier
    assert verifier is not None
    assert verifier.keyless == (case.key is None)
    return verifier.verify(subject)


@pytest.fixture(scope="module")
def gallery(registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return Gallery(registry, tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="module")
def locked() -> Iterator[ImageRegistry]:
    with image_registry(password=True) as registry:
        yield registry


@pytest.mark.parametrize("case", SIGNED, ids=named)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_signature_of_every_form_is_seen(program: str, case: Case, gallery: Gallery) -> None:
    assert gallery.verify(program, case) == Verification(1, None)


@pytest.mark.parametrize("case", UNSIGNED, ids=named)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_signature_that_proves_nothing_is_none(program: str, case: Case, gallery: Gallery) -> None:
    found = gallery.verify(program, case)
    assert found.signatures == 0
    assert found.problem is not None and case.problem in found.problem
    assert "WARNING" not in found.problem and "during command execution" not in found.problem


@pytest.mark.parametrize("case", UNCLEAR, ids=named)
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_cannot_be_told_is_an_error(program: str, case: Case, gallery: Gallery) -> None:
    with pytest.raises(ToolFailed, match=f"cosign ended with code {case.code}: Error: {case.problem}"):
        gallery.verify(program, case)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_signature_in_a_private_registry_is_seen(program: str, locked: ImageRegistry, gallery: Gallery) -> None:
    auth = RegistryAuth(USER, PASSWORD, server=locked.address)
    digest = locked.push_image(REPOSITORY)
    reference = locked.reference(REPOSITORY, digest)
    if gallery.signer:
        gallery.signer.sign(reference, auth)
    case = Case("signed", "cosign-2.6-key.json")
    # What Docker's configuration says is base64.
    scenes = [
        {"told": ["dGVzdGVyOnNlY3JldA=="], "output": case.document},
        {"code": 1, "complaint": "cosign-2.6-unauthorized.txt"},
    ]
    for given in (auth, None):
        subject = Subject(reference, reference, digest, Platform("amd64", "linux"), registry=locked.address, auth=given)
        if given:
            assert verified(program, case, subject, gallery.keys, gallery.home, *scenes).signatures == 1
        else:
            with pytest.raises(ToolFailed, match="UNAUTHORIZED: authentication required"):
                verified(program, case, subject, gallery.keys, gallery.home, *scenes)
