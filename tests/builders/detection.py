"""Containers as detection gets them."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.container import Container, Digest, Identity, Image, Platform, Tag, Wishes
from chalicelib.domain.reference import Reference

AMD64 = Platform("amd64", "linux")


def a_container(
    reference: str = "registry.example:5000/web:1.0.0",
    *,
    repo_digests: Sequence[str] = ("sha256:" + "1" * 64,),
    image_id: str = "sha256:" + "0" * 64,
    platform: Platform = AMD64,
    **wishes: str | bool | None,
) -> Container:
    """A running container of an image. `repo_digests` may leave the repository out; `wishes` are fields of Wishes."""
    parsed = Reference.parse(reference)
    whole = tuple(text if "@" in text else f"{parsed.host}/{parsed.path}@{text}" for text in repo_digests)
    return Container(
        identity=Identity("local", "local", "web"),
        id="a" * 64,
        display_name="web",
        display_icon="",
        status="running",
        image=Image(
            id=image_id,
            registry_name="unknown",
            registry_url="",
            name=parsed.path,
            tag=Tag(parsed.running_tag),
            digest=Digest(repo_digests=whole, repo=whole[0] if whole else None),
            platform=platform,
            reference=parsed.familiar,
        ),
        wishes=Wishes(**wishes),  # type: ignore[arg-type]
    )
