"""The form that revokes an attestation on its page: who has it, and that it is confirmed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.core.request.principal import Scope
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good
from tests.support.tab import FORM, LINK, Tab
from tests.support.training import Training

TENANT = "tenant that revokes"
REASON = "The test set <b>leaked</b>."


@pytest.fixture(scope="module")
def trainer(gateway: RunningGateway) -> Iterator[Training]:
    with Training.of(gateway, TENANT) as made:
        yield made


@pytest.fixture
def tab(gateway: RunningGateway) -> Iterator[Tab]:
    """A browser in which the tenant has signed in."""
    with Tab(gateway) as opened:
        opened.sign_in(gateway.key(TENANT))
        yield opened


@pytest.fixture
def digest(trainer: Training) -> str:
    """The hash of a public attestation."""
    found: str = trainer.improvement(private=False)["hash"]
    return found


def page_of(tab: Tab, digest: str) -> str:
    response = tab.get(f"/attestations/{digest}", headers=LINK)
    assert response.status_code == 200, response.text
    return response.text


def send(tab: Tab, digest: str, headers: dict[str, str] = FORM, **fields: str) -> httpx.Response:
    session = good(tab.get("/api/auth/whoami"))["session"]
    data = {"session": session, "reason": REASON, "sure": "on", **fields}
    return tab.post(f"/attestations/{digest}/revoke", headers=headers, data=data)


def is_revoked(tab: Tab, digest: str) -> bool:
    document: dict[str, Any] = good(tab.get(f"/api/attestations/{digest}"))
    return document["revoked"] is not None


def test_its_tenant_revokes_it_on_its_page(tab: Tab, digest: str) -> None:
    assert f'action="/attestations/{digest}/revoke"' in page_of(tab, digest)
    assert f'href="/api/attestations/{digest}/bundle"' in page_of(tab, digest)
    response = send(tab, digest)
    assert (response.status_code, response.headers["location"]) == (303, f"/attestations/{digest}")
    page = page_of(tab, digest)
    assert "The test set &lt;b&gt;leaked&lt;/b&gt;. It no longer holds." in page
    # Neither again, nor a bundle of it.
    assert "/revoke" not in page
    assert f"{digest}/bundle" not in page


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"reason": " "}, 422, "reason"),
        ({"reason": "x" * 5000}, 422, "reason"),
        ({"session": ""}, 409, "another session"),
        ({"session": "of-another"}, 409, "another session"),
    ],
)
def test_a_form_that_is_wrong_revokes_nothing(
    tab: Tab, digest: str, fields: dict[str, str], status: int, words: str
) -> None:
    response = send(tab, digest, FORM, **fields)
    assert response.status_code == status, response.text
    assert words in response.text
    assert not is_revoked(tab, digest)


def test_it_has_to_be_confirmed(tab: Tab, digest: str) -> None:
    session = good(tab.get("/api/auth/whoami"))["session"]
    response = tab.post(
        f"/attestations/{digest}/revoke",
        headers=FORM,
        data={"session": session, "reason": REASON},
    )
    assert response.status_code == 422
    assert "Confirm that you want to revoke it" in response.text
    assert not is_revoked(tab, digest)


def test_another_page_cannot_send_it(tab: Tab, digest: str) -> None:
    foreign = {**FORM, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert send(tab, digest, headers=foreign).status_code == 403
    assert not is_revoked(tab, digest)


def test_only_who_may_revoke_it_has_the_form(gateway: RunningGateway, digest: str) -> None:
    readers = (gateway.key("another tenant"), gateway.key(TENANT, scopes=[Scope.READ]))
    for key in readers:
        with Tab(gateway) as tab:
            tab.sign_in(key)
            assert "/revoke" not in page_of(tab, digest)
            assert send(tab, digest).status_code == 403
            assert not is_revoked(tab, digest)


def test_an_admin_revokes_it(gateway: RunningGateway, digest: str) -> None:
    key = gateway.key("operators", scopes=ALL_SCOPES)
    with Tab(gateway) as tab:
        tab.sign_in(key)
        good(tab.post("/api/auth/sessions/current/admin", json={"key": key}))
        assert f'action="/attestations/{digest}/revoke"' in page_of(tab, digest)
        assert send(tab, digest).status_code == 303
        assert is_revoked(tab, digest)
