"""What Grype and Syft have in common: how they are told of an image and of credentials."""

from __future__ import annotations

from chalicelib.ports.scanner import Subject
from local_runtime.executor.scanners.call import safe


def source(subject: Subject) -> str:
    """The image with where to get it from."""
    return f"{'docker' if subject.local else 'registry'}:{safe(subject.reference)}"


def registry_environment(subject: Subject, tool: str) -> dict[str, str]:
    """Credentials for the image's registry. Both tools read Syft's names; newer ones their own."""
    environment = {f"{tool}_CHECK_FOR_APP_UPDATE": "false"}
    if subject.local and subject.engine_url:
        environment["DOCKER_HOST"] = subject.engine_url
    if subject.auth is None:
        return environment
    values = {"AUTHORITY": subject.registry}
    if subject.auth.identity_token:
        values["TOKEN"] = subject.auth.identity_token
    else:
        values |= {"USERNAME": subject.auth.username, "PASSWORD": subject.auth.password}
    for prefix in dict.fromkeys(("SYFT", tool)):
        environment |= {f"{prefix}_REGISTRY_AUTH_{name}": value for name, value in values.items()}
    return environment
