"""Patterns in the OpenAPI document agree with the code that checks the same texts."""

import re
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.access.identity.schemas import NetworkText
from app.control_plane.registry.model_uri import (
    MAX_URI,
    PATH_PATTERN,
    RUN_ID_PATTERN,
    URI_PATTERN,
    parse_reference,
)
from app.core.errors import UnprocessableError

NETWORKS: list[dict[str, Any]] = TypeAdapter(NetworkText).json_schema()["anyOf"]
BLOCK = "|".join(f"(?:{one['pattern']})" for one in NETWORKS)


def is_accepted(uri: str) -> bool:
    try:
        parse_reference(uri, None, "")
    except UnprocessableError:
        return False
    return True


@given(st.from_regex(URI_PATTERN, fullmatch=True).filter(lambda uri: len(uri) <= MAX_URI))
def test_a_model_uri_that_matches_the_pattern_is_accepted(uri: str) -> None:
    # A name of blanks is the one case that the pattern does not exclude.
    assert is_accepted(uri) or not uri.split("/")[1].strip()


@given(
    st.lists(st.text("a.%: /\n\x85é", max_size=4), max_size=4).map("/".join),
    st.sampled_from(["runs:/", "models:/", "models:/m-", "file:/", ""]),
    st.sampled_from(["", "/1", "/0", "/9999999999", "/model"]),
)
def test_a_model_uri_that_is_accepted_matches_the_pattern(
    middle: str, start: str, end: str
) -> None:
    uri = f"{start}{middle}{end}"
    # Names that begin with a dot are accepted, but not documented.
    if is_accepted(uri) and not uri.startswith("models:/."):
        assert re.fullmatch(URI_PATTERN, uri)


@given(
    st.from_regex(RUN_ID_PATTERN, fullmatch=True),
    st.from_regex(PATH_PATTERN, fullmatch=True).filter(lambda path: len(path) <= 200),
)
def test_a_run_and_path_that_match_the_patterns_are_accepted(run: str, path: str) -> None:
    assert parse_reference(None, run, path).path == path.strip("/")


@given(st.from_regex(BLOCK, fullmatch=True))
def test_a_network_that_matches_the_pattern_is_accepted(text: str) -> None:
    assert TypeAdapter(NetworkText).validate_python(text) == str(ip_network(text, strict=False))


@given(st.ip_addresses(), st.integers(0, 32))
def test_every_ip_address_matches_the_pattern(address: Any, prefix: int) -> None:
    for text in (str(address), address.exploded, f"{address}/{prefix}"):
        assert re.fullmatch(BLOCK, text)


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4/33", "::/129", "1:::2", "a.b.c.d", "1::2::3"]
)
def test_a_text_that_is_not_a_network_does_not_match(text: str) -> None:
    assert not re.fullmatch(BLOCK, text)
