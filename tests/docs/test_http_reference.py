"""The HTTP reference: every endpoint, who may use it, and what it takes and gives."""

import re

import pytest

from app.control_plane.application import create_api
from app.control_plane.reference.openapi import operations
from docs.tools.http_reference import anchor, pages


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def section(made: dict[str, str], page: str, heading: str) -> str:
    text = made[page]
    start = text.index(f"## `{heading}`")
    return text[start : text.find("\n## ", start + 1)]


def test_every_endpoint_has_a_section_and_a_line_in_the_index(made: dict[str, str]) -> None:
    document = create_api(lambda _: None).openapi()  # type: ignore[arg-type, return-value]
    for method, path, operation in operations(document):
        page = f"{operation['tags'][0]}.md"
        heading = f"## `{method} {path}` {{ #{anchor(method, path)} }}"
        assert made[page].count(heading) == 1
        assert f"[`{method} {path}`]({page}#{anchor(method, path)})" in made["index.md"]


@pytest.mark.parametrize(
    ("page", "heading", "who"),
    [
        ("models.md", "POST /api/models/baseline", "a credential with the scope [`register`]"),
        ("models.md", "GET /api/models", "a credential with the scope [`read`]"),
        ("attestations.md", "POST /api/attestations", "a credential with the scope [`attest`]"),
        ("admin.md", "POST /api/admin/keys", "a credential with the scope [`admin`]"),
        ("limits.md", "GET /api/limits", "any credential"),
        ("attestations.md", "GET /api/attestations/log", "anybody"),
        ("health.md", "GET /metrics", "a credential with the scope [`admin`]"),
    ],
)
def test_an_endpoint_says_who_may_use_it(
    made: dict[str, str], page: str, heading: str, who: str
) -> None:
    assert f"**Who may:** {who}" in section(made, page, heading)


def test_an_endpoint_says_what_it_takes_and_gives(made: dict[str, str]) -> None:
    text = section(made, "models.md", "POST /api/models/improved")

    assert re.search(r"\| `idempotency-key` \| header \| string \|", text)
    assert re.search(r"\| `baseline_model_id` \| string, required \|", text)
    assert "**Response `201`**" in text
    assert re.search(r"\| `contributors\[\]\.address` \| string \|", text)
    assert "[`409`](index.md#status-409)" in text


def test_what_contains_itself_ends(made: dict[str, str]) -> None:
    for text in made.values():
        assert max(map(len, text.splitlines())) < 3000


def test_every_status_that_an_endpoint_names_is_in_the_index(made: dict[str, str]) -> None:
    named = {
        status for text in made.values() for status in re.findall(r"index\.md#(status-\d+)", text)
    }
    assert named
    for status in named:
        assert f'<span id="{status}"></span>' in made["index.md"]
