"""The names of tenants, and the MLflow workspaces that follow from them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.store.workspace.abstract_store import WorkspaceNameValidator

from app.access.tenants.names import tenant_name, workspace_for
from app.core.errors import UnprocessableError

NAME = r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,61}[A-Za-z0-9._-])?"
ADDRESS = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"

names = st.from_regex(NAME, fullmatch=True).map(tenant_name)
# Names that are similar to each other, and to derived names.
near = st.from_regex(r"[aA]([b B._-]{0,2}[bB])?", fullmatch=True)
derived = names.map(workspace_for)
any_name = names | near | derived | near.map(workspace_for)


@pytest.mark.parametrize(
    "name", ["a", "acme", "Acme Labs", "acme.labs_2-x", "0", "a" * 63, "a.", "a-", "default"]
)
def test_a_valid_name_is_unchanged(name: str) -> None:
    assert tenant_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a ",
        " a",
        "-a",
        ".a",
        "_a",
        "a/b",
        "../a",
        "a\n",
        "a\tb",
        "a" * 64,
        "äcme",
        "a\x00",
    ],
)
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(UnprocessableError, match="1 to 63"):
        tenant_name(name)


@pytest.mark.parametrize("text", [ADDRESS, ADDRESS.lower(), "0X" + ADDRESS[2:].upper()])
def test_an_address_names_the_tenant_of_its_wallet(text: str) -> None:
    assert tenant_name(text) == ADDRESS.lower()
    assert workspace_for(tenant_name(text)) == ADDRESS.lower()


@pytest.mark.parametrize("name", ["acme", "acme-labs", "a1", "0" * 63, "acme-1234567"])
def test_a_name_that_mlflow_accepts_is_its_own_workspace(name: str) -> None:
    assert workspace_for(name) == name


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("a", "a"),
        ("Acme", "acme"),
        ("Acme  Labs.", "acme-labs"),
        ("acme-", "acme"),
        ("default", "default"),
        ("ajax-api", "ajax-api"),
        ("acme-deadbeef", "acme-deadbeef"),
        ("A" * 63, "a" * 54),
        ("a" * 53 + "." * 10, "a" * 53),
    ],
)
def test_a_name_that_mlflow_refuses_gets_a_derived_workspace(name: str, slug: str) -> None:
    assert re.fullmatch(re.escape(slug) + "-[0-9a-f]{8}", workspace_for(name))


def test_the_derived_workspace_of_a_name_is_unchanged() -> None:
    # With another rule, tenants would lose access to their data.
    assert workspace_for("Acme Labs") == "acme-labs-97acabc1"


@given(any_name)
def test_mlflow_accepts_every_workspace(name: str) -> None:
    workspace = workspace_for(name)
    WorkspaceNameValidator.validate(workspace)
    assert 2 <= len(workspace) <= 63
    assert workspace != "default"


@given(any_name, any_name)
def test_two_tenants_never_share_a_workspace(one: str, other: str) -> None:
    assert (workspace_for(one) == workspace_for(other)) == (one == other)


@given(near)
def test_a_derived_workspace_is_not_the_name_of_another_tenant(name: str) -> None:
    workspace = workspace_for(name)
    if workspace != name:
        assert workspace_for(workspace) != workspace
