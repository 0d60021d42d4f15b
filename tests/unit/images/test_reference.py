from __future__ import annotations

import pytest

from pillion.containers.images.reference import InvalidReferenceError, parse_reference

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("prom/prometheus", "docker.io/prom/prometheus:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("myregistry.azurecr.io/agent:v1", "myregistry.azurecr.io/agent:v1"),
        (f"nginx@sha256:{HEX}", f"docker.io/library/nginx@sha256:{HEX}"),
        (f"nginx:1@sha256:{HEX}", f"docker.io/library/nginx:1@sha256:{HEX}"),
    ],
)
def test_a_short_name_is_filled_in(text: str, full: str) -> None:
    assert str(parse_reference(text)) == full


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a@sha256:12", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("library/Nginx", r"repository name \(library/Nginx\) must be lowercase"),
        (HEX, "cannot specify 64-byte hexadecimal strings"),
        ("a" * 256, "must not be more than 255 characters"),
    ],
)
def test_what_is_no_reference_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidReferenceError, match=message):
        parse_reference(text)


@pytest.mark.parametrize(
    ("name", "asked", "covers"),
    [
        ("nginx", "nginx:1.25", True),
        ("nginx", "docker.io/library/nginx", True),
        ("nginx", f"nginx@sha256:{HEX}", True),
        ("nginx:1", "nginx:1", True),
        ("nginx:latest", "nginx", True),
        ("nginx:1", "nginx:2", False),
        ("nginx:latest", f"nginx@sha256:{HEX}", False),
        ("nginx", "other/nginx", False),
        (f"nginx@sha256:{HEX}", "nginx", False),
    ],
)
def test_a_name_without_tag_covers_every_tag(name: str, asked: str, covers: bool) -> None:
    assert parse_reference(name).covers(parse_reference(asked)) is covers
