"""Image names: how they are read, written, and chosen for a container known by an image id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Invalid
from chalicelib.domain.reference import Reference, choose_reference, own_digest

D1, D2 = "sha256:" + "1" * 64, "sha256:" + "2" * 64
IMAGE_ID = "sha256:" + "f" * 64


@pytest.mark.parametrize(
    ("text", "host", "path", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", "latest", None),
        ("nginx:1.25", "docker.io", "library/nginx", "1.25", None),
        ("grafana/grafana:11.0.0", "docker.io", "grafana/grafana", "11.0.0", None),
        ("docker.io/nginx", "docker.io", "library/nginx", "latest", None),
        ("index.docker.io/library/nginx:1", "docker.io", "library/nginx", "1", None),
        ("registry-1.docker.io/nginx:1", "docker.io", "library/nginx", "1", None),
        ("docker.io/grafana/grafana", "docker.io", "grafana/grafana", "latest", None),
        ("ghcr.io/owner/app:v1", "ghcr.io", "owner/app", "v1", None),
        ("GHCR.io/owner/app:v1", "ghcr.io", "owner/app", "v1", None),
        ("localhost/app", "localhost", "app", "latest", None),
        ("localhost:5000/app", "localhost:5000", "app", "latest", None),
        ("127.0.0.1:5000/web:1", "127.0.0.1:5000", "web", "1", None),
        ("[::1]:5000/web:1", "[::1]:5000", "web", "1", None),
        ("registry:5000/a/b/c:1.2.3", "registry:5000", "a/b/c", "1.2.3", None),
        ("registry/app:1", "docker.io", "registry/app", "1", None),
        (f"nginx@{D1}", "docker.io", "library/nginx", None, D1),
        (f"nginx:1.25@{D1}", "docker.io", "library/nginx", "1.25", D1),
        (f"127.0.0.1:5000/web@{D1}", "127.0.0.1:5000", "web", None, D1),
        ("  nginx:1.25 ", "docker.io", "library/nginx", "1.25", None),
        ("my-org/my_app.v2:latest", "docker.io", "my-org/my_app.v2", "latest", None),
    ],
)
def test_a_name_is_read(text: str, host: str, path: str, tag: str | None, digest: str | None) -> None:
    assert Reference.parse(text) == Reference(host, path, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "nginx:",
        "nginx@sha256:short",
        "nginx@",
        "Nginx",
        "nginx:bad tag",
        "a//b",
        "/nginx",
        "nginx/",
        "exa mple.com/a",
        "evil.com\r\nHost: x/a",
        "ghcr.io/../../etc",
        "ghcr.io:port/a",
        "http://ghcr.io/a",
        "-x.com/a",
        "nginx:" + "a" * 129,
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/nginx:1.25", "nginx:1.25"),
        ("nginx", "nginx:latest"),
        ("grafana/grafana:1", "grafana/grafana:1"),
        ("127.0.0.1:5000/web:1", "127.0.0.1:5000/web:1"),
        (f"nginx:1@{D1}", f"nginx:1@{D1}"),
        (f"ghcr.io/a/b@{D1}", f"ghcr.io/a/b@{D1}"),
    ],
)
def test_a_name_is_written_as_people_pull_it(text: str, familiar: str) -> None:
    assert Reference.parse(text).familiar == familiar


hosts = st.sampled_from(["", "ghcr.io/", "127.0.0.1:5000/", "localhost/", "docker.io/"])
names = st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}", fullmatch=True)
tag_part = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True))
digest_part = st.sampled_from(["", f"@{D1}"])


@given(hosts, names, tag_part, digest_part)
def test_what_is_written_is_read_back(host: str, name: str, tag: str, digest: str) -> None:
    reference = Reference.parse(f"{host}{name}{tag}{digest}")
    assert Reference.parse(reference.familiar) == reference


def test_another_tag_lets_the_digest_go() -> None:
    pinned = Reference.parse(f"nginx:1.25@{D1}")
    assert pinned.with_tag("1.26").familiar == "nginx:1.26"
    assert pinned.with_digest(D2).familiar == f"nginx@{D2}"
    assert pinned.with_tag(D2).familiar == f"nginx@{D2}"


def test_the_running_tag_of_a_pinned_name_is_its_digest() -> None:
    assert Reference.parse(f"nginx@{D1}").running_tag == D1
    assert Reference.parse(f"nginx:1@{D1}").running_tag == "1"
    assert Reference.parse(f"nginx:1@{D1}").target == D1


def test_the_configured_name_wins_over_what_the_engine_knows() -> None:
    assert choose_reference("nginx:1.25", ["other:1", "nginx:latest"], [f"other@{D1}"]).familiar == "nginx:1.25"
    assert choose_reference(f"nginx:1.25@{D1}", ["nginx:latest"], []).familiar == f"nginx:1.25@{D1}"


def test_a_name_pinned_by_digest_takes_the_tag_of_its_own_repository() -> None:
    chosen = choose_reference(f"nginx@{D1}", ["other:1", "nginx:1.25"], [f"nginx@{D1}"])
    assert (chosen.running_tag, chosen.digest) == ("1.25", D1)


def test_a_name_pinned_by_digest_never_takes_another_repository() -> None:
    chosen = choose_reference(f"nginx@{D1}", ["other:1"], [f"other@{D1}"])
    assert (chosen.path, chosen.running_tag) == ("library/nginx", D1)


def test_a_bare_image_id_takes_the_first_tag() -> None:
    assert choose_reference(IMAGE_ID, ["nginx:1.25", "nginx:latest"], []).familiar == "nginx:1.25"
    assert choose_reference("f" * 12, ["<none>:<none>", "web:2"], []).familiar == "web:2"


def test_the_beginning_of_an_image_id_is_told_from_a_name() -> None:
    assert choose_reference("ffff", ["web:2"], [], IMAGE_ID).familiar == "web:2"
    assert choose_reference("ffff", ["ffff:1"], [], IMAGE_ID).familiar == "ffff:latest"
    assert choose_reference("cafe", ["web:2"], [], IMAGE_ID).familiar == "cafe:latest"


def test_a_bare_image_id_without_tags_takes_the_repository_of_its_digest() -> None:
    chosen = choose_reference(IMAGE_ID, [], [f"ghcr.io/owner/app@{D1}"])
    assert (chosen.host, chosen.path, chosen.running_tag) == ("ghcr.io", "owner/app", D1)


def test_an_image_known_by_its_id_only_is_unknown() -> None:
    chosen = choose_reference(IMAGE_ID, [], [])
    assert (chosen.host, chosen.path, chosen.running_tag) == ("", "f" * 64, "unknown")


def test_a_containers_own_digest_is_found_under_every_name_of_docker_hub() -> None:
    nginx = Reference.parse("nginx:1.25")
    assert own_digest(nginx, [f"ghcr.io/a/b@{D2}", f"nginx@{D1}"]) == f"nginx@{D1}"
    assert own_digest(nginx, [f"index.docker.io/library/nginx@{D1}"]) == f"index.docker.io/library/nginx@{D1}"
    assert own_digest(nginx, [f"ghcr.io/a/b@{D2}"]) is None
