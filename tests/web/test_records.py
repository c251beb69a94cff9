"""The pages of contributors, attestations and the log: what they show, and to whom."""

import base64
import hashlib
import html
import json
import re

import httpx
import pytest

from app.core.request.principal import Scope
from app.web.pictures.identicon import identicon
from tests.support.gateway import RunningGateway
from tests.support.grown_lineage import CONTRIBUTORS, Lineage, grow
from tests.support.responses import good, refused
from tests.support.training import Training
from tests.web.page_text import PAGE, text, words

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def lineage(acme: Training) -> Lineage:
    # Before anything is registered, each page says what to do.
    for path, expected in (
        ("/contributors", "register_improved_model"),
        ("/attestations", "hokusai attest"),
        ("/log", "The log is empty"),
    ):
        assert expected in text(acme.client, path)
    return grow(acme)


@pytest.fixture(scope="module")
def hidden(acme: Training, lineage: Lineage) -> str:
    """The hash of a private attestation, which was revoked with a hostile reason."""
    body = {"kind": "claimed", "metrics": {HOSTILE: 0.9}, "private": True}
    found: str = good(acme.client.post("/api/attestations", json=body), 201)["hash"]
    reason = {"reason": f"Because of {HOSTILE}."}
    good(acme.client.post(f"/api/attestations/{found}/revoke", json=reason))
    return found


def hashes(page: str) -> list[str]:
    """The attestations that the rows of a table link to, in their order."""
    return re.findall(r'<a href="/attestations/([0-9a-f]{64})"', page)


# --- contributors ---


def test_the_contributors_are_those_of_the_api(acme: Training, lineage: Lineage) -> None:
    page = text(acme.client, "/contributors")
    items = acme.get("/api/contributors")["items"]
    assert len(items) == 3
    assert re.findall(r'<a href="/contributors/(0x\w+)"', page) == [one["address"] for one in items]
    for one in items:
        assert str(identicon(one["address"])) in page
    first = text(acme.client, "/contributors?limit=2")
    assert "Next page" in first
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
    assert "First page" in text(acme.client, html.unescape(following))


def test_a_contributor_has_sums_shares_and_attestations(acme: Training, lineage: Lineage) -> None:
    address = CONTRIBUTORS[0]
    view = acme.get(f"/api/contributors/{address}")
    page = text(acme.client, f"/contributors/{address.lower()}")
    says = words(page)
    assert address in says
    assert f"{view['contributions']} contributions" in says
    assert f"{view['models']} models" in says
    assert f"{view['data_size']:,} samples" in says
    assert "62.5 %" in says
    given = acme.get(f"/api/contributors/{address}/contributions")["items"]
    shown = re.findall(r'<tr><td><span class="ident"><a href="/models/([^"]+)"', page)
    assert shown == [one["model_id"] for one in given]
    assert page.count('class="badge withdrawn"') == 1
    attested = acme.get(f"/api/contributors/{address}/attestations")["items"]
    assert hashes(page) == [one["hash"] for one in attested] != []


def test_an_address_is_looked_up_in_any_casing(acme: Training, lineage: Lineage) -> None:
    response = acme.client.get(f"/contributors?address={CONTRIBUTORS[0].lower()}", headers=PAGE)
    assert response.status_code == 303
    assert response.headers["location"] == f"/contributors/{CONTRIBUTORS[0]}"
    assert "has not contributed" in text(acme.client, f"/contributors/0x{'9' * 40}", 404)
    assert "Ethereum address" in text(acme.client, "/contributors/none", 422)


def test_pictures_tell_addresses_apart_and_not_their_casing() -> None:
    pictures = {str(identicon(f"0x{number:040x}")) for number in range(50)}
    assert len(pictures) == 50
    assert identicon(CONTRIBUTORS[0]) == identicon(CONTRIBUTORS[0].lower())


# --- attestations ---


def test_the_attestations_are_those_of_the_api(
    acme: Training, other: httpx.Client, hidden: str
) -> None:
    for query in (
        "",
        "?kind=claimed",
        f"?contributor={CONTRIBUTORS[0]}",
        f"?tenant={acme.tenant}&run_id=",
    ):
        items = acme.get(f"/api/attestations{query.removesuffix('&run_id=')}")["items"]
        assert hashes(text(acme.client, f"/attestations{query}")) == [one["hash"] for one in items]
    page = text(acme.client, "/attestations")
    for kind in ("witnessed", "claimed", "revoked", "private"):
        assert f'class="badge {kind}"' in page
    assert hidden not in text(other, "/attestations")
    assert "No attestation meets these" in text(other, "/attestations?kind=claimed")
    assert "must be" in text(other, "/attestations?kind=none", 422)


def test_an_attestation_is_shown_with_all_that_checks_it(
    acme: Training, other: httpx.Client, lineage: Lineage
) -> None:
    document = acme.get(f"/api/attestations/{lineage.attestation['hash']}")
    page = text(other, f"/attestations/{document['hash']}")
    says = words(page)
    assert "accuracy 0.881 0.8973 +1.6 pp witnessed" in says
    assert "90.0 %" in says
    assert "has run no model" in says
    assert document["signature"]["signer"] in page
    assert document["signature"]["signature"] in page
    assert document["log"]["checkpoint"] in html.unescape(page)
    (code,) = re.findall(r"<code>(\{&#34;attestation_type.*?)</code>", page)
    assert hashlib.sha256(html.unescape(code).encode()).hexdigest() == document["hash"]
    (embedded,) = re.findall(r'data-part="document">(.*?)</script>', page)
    assert json.loads(embedded) == document
    (fragment,) = re.findall(r'href="/verify#attestation=([\w-]+)"', page)
    sent = base64.urlsafe_b64decode(fragment + "=" * (-len(fragment) % 4))
    assert json.loads(sent) == document
    checked = good(other.post("/api/attestations/verify", json=json.loads(sent)))
    assert checked["valid"] is True


def test_its_parts_are_downloaded(acme: Training, lineage: Lineage) -> None:
    digest = lineage.attestation["hash"]
    document = acme.get(f"/api/attestations/{digest}")

    def file(part: str) -> httpx.Response:
        response = acme.client.get(f"/attestations/{digest}/{part}")
        assert response.status_code == 200, response.text
        assert response.headers["content-disposition"].startswith("attachment; filename=")
        return response

    assert file("attestation.json").json() == document
    assert file("eas.json").json() == document["eas"]
    assert hashlib.sha256(file("data.json").content).hexdigest() == digest
    assert file("checkpoint.txt").text == document["log"]["checkpoint"]
    refused(acme.client.get(f"/attestations/{digest}/none"), 422, "validation_failed")


def test_a_private_one_is_not_shown_to_others(
    acme: Training, other: httpx.Client, hidden: str
) -> None:
    page = text(acme.client, f"/attestations/{hidden}")
    assert "Revoked" in words(page)
    for path in (f"/attestations/{hidden}", f"/attestations/{hidden}/attestation.json"):
        assert HOSTILE not in html.unescape(text(other, path, 404))
    assert "64 hexadecimal digits" in html.unescape(text(other, "/attestations/none", 422))


def test_what_others_write_is_text(acme: Training, hidden: str) -> None:
    for path in (f"/attestations/{hidden}", "/log"):
        page = text(acme.client, path)
        assert HOSTILE not in page
        assert HOSTILE in html.unescape(page)


def test_the_pages_need_the_scope_of_the_api(quiet: RunningGateway, lineage: Lineage) -> None:
    paths = (
        "/contributors",
        f"/contributors/{CONTRIBUTORS[0]}",
        "/attestations",
        f"/attestations/{lineage.attestation['hash']}",
        f"/attestations/{lineage.attestation['hash']}/attestation.json",
    )
    with quiet.client() as nobody, quiet.client(quiet.key(scopes=[Scope.WRITE])) as writer:
        for path in paths:
            assert nobody.get(path, headers=PAGE).headers["location"].startswith("/login?next=")
            refused(nobody.get(path), 401, "credentials_missing")
            refused(writer.get(path), 403, "scope_missing")


# --- the log ---


def test_the_log_is_open_to_anybody(quiet: RunningGateway, hidden: str) -> None:
    with quiet.client() as nobody:
        log = good(nobody.get("/api/attestations/log"))
        entries = good(nobody.get("/api/attestations/log/entries"))["entries"]
        page = text(nobody, "/log")
    says = html.unescape(page)
    assert log["checkpoint"] in says
    assert log["root_hash"] in says
    assert log["key"] in says
    assert hashes(page) == [entry["attestation"] for entry in reversed(entries)]


def test_the_log_is_read_a_page_at_a_time(quiet: RunningGateway, hidden: str) -> None:
    with quiet.client() as nobody:
        entries = good(nobody.get("/api/attestations/log/entries"))["entries"]
        newest = text(nobody, "/log?limit=1")
        assert hashes(newest) == [entries[-1]["attestation"]]
        oldest = text(nobody, "/log?to=0")
        assert hashes(oldest) == [entries[0]["attestation"]]
        assert f'href="/log?to={len(entries) - 2}#entries"' in newest
        assert 'rel="next"' not in oldest
        assert hashes(text(nobody, f"/log?to={2**53}")) == hashes(text(nobody, "/log"))
        assert "to" in text(nobody, "/log?to=-1", 422)
