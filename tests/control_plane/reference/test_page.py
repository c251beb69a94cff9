"""Rendering the page of the API reference from an OpenAPI document."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field

from app.control_plane.reference import openapi
from app.control_plane.reference.page import ADDRESS, render

NASTY = '"><script>alert(1)</script>&'


class Inner(BaseModel):
    a: int


class Body(BaseModel):
    """A body."""

    name: str = Field(description=f"Its name {NASTY}", examples=[NASTY])
    sizes: list[int] = Field(default=[1], description="Its sizes.")
    inner: Inner | None = None


@pytest.fixture(scope="module")
def page() -> str:
    api = FastAPI(title="An API")

    @api.get("/open/{id}", tags=["things"])
    async def show(id: int, verbose: bool = False) -> Body:  # noqa: A002
        """Show a thing."""
        raise NotImplementedError

    @api.post("/things", tags=["things"])
    async def create(body: Body) -> Body:
        """Create a thing."""
        return body

    @api.delete("/others", tags=["others"])
    async def delete() -> None:
        """Delete the others."""

    openapi.complete(api, frozenset({("GET", "/open/{id}")}))
    document: dict[str, Any] = api.openapi()
    return render(document)


def test_each_group_has_a_section_and_a_link_to_it(page: str) -> None:
    for tag in ("things", "others"):
        assert f'<li><a href="#{tag}">{tag}</a></li>' in page
        assert page.count(f'<section id="{tag}"') == 1


def test_each_operation_shows_its_method_path_and_description(page: str) -> None:
    assert '<code class="method">POST</code> <code>/things</code>' in page
    assert "<p>Create a thing.</p>" in page
    assert 'Show a thing. <span class="open">Needs no credential.</span>' in page


def test_parameters_and_members_show_their_types(page: str) -> None:
    assert "<td><code>id</code></td><td>integer, in the path</td>" in page
    assert "<td><code>verbose</code></td><td>boolean, in the query</td>" in page
    assert "<td><code>name</code></td><td>string, required</td>" in page
    assert "<td>list of integer</td><td>Its sizes. Default: [1].</td>" in page
    assert "<td>inner or null</td>" in page


def test_examples_can_be_pasted_into_a_shell(page: str) -> None:
    assert f"export HOKUSAI_URL={ADDRESS}" in page
    assert "<pre>curl &quot;$HOKUSAI_URL/open/{id}&quot;</pre>" in page
    assert (
        "-X POST \\\n  -H &quot;Authorization: Bearer $HOKUSAI_API_KEY&quot; \\\n  --json &#x27;"
        in page
    )


def test_errors_are_listed_and_responses_shown(page: str) -> None:
    assert "<h4>Response 200</h4>" in page
    assert '<p class="failures">Errors: 400, 401, 403, 409' in page


def test_everything_is_escaped(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
