"""After signing in, a browser goes to a page of the own origin, and to no other."""

import pytest

from app.web.next_page import next_page


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/models",
        "/models?kind=improved&cursor=a%2Fb",
        "/api/mlflow/#/experiments/1/runs/abc?tab=x",
        "/account#keys",
        "/a/%2F%2Fevil.example",
        "/loginx",
        "/api/mlflow/#/experiments/1?searchFilter=tags.url='https://a.example//b'",
        "/models?type=a//b",
    ],
)
def test_a_page_of_the_own_origin_is_kept(text: str) -> None:
    assert next_page(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "models",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/models\\..\\evil",
        "/.//evil.example",
        "/models//evil.example",
        "/models//evil?x",
        "/a?x=\\evil",
        "https://evil.example/",
        "HTTPS:evil.example",
        "javascript:alert(1)",
        "/\tevil",
        "/\t/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\r\nSet-Cookie: a=b",
        "/models\n",
        "/\x00",
        "/\x7f",
        "/\u2028",
        "/é",
        "/\uff0fevil.example",
        "?next=//evil",
        "#x",
        "/login",
        "/login?next=/login",
        "/logout#x",
    ],
)
def test_anything_else_is_the_first_page(text: str | None) -> None:
    assert next_page(text) == "/"
