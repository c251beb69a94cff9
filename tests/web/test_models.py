"""The pages of models: what they show, to whom, and that it is what the API has."""

import html
import re

import httpx
import pytest

from app.core.request.principal import Scope
from tests.support.gateway import RunningGateway
from tests.support.grown_lineage import CONTRIBUTORS, Lineage, grow
from tests.support.model_files import entry
from tests.support.training import Training
from tests.web.page_text import text, words


@pytest.fixture(scope="module")
def lineage(acme: Training) -> Lineage:
    # Before anything is registered.
    empty = text(acme.client, "/models")
    assert "No model is registered yet" in empty
    assert empty.count("registry") >= 3
    return grow(acme)


def listed(page: str) -> list[str]:
    """The ids of the models in a table, in their order."""
    return re.findall(r'name="ids" value="([^"]+)"', page)


def test_the_table_has_what_the_api_lists(acme: Training, lineage: Lineage) -> None:
    for query in (
        "",
        "?kind=baseline",
        "?name=churn-lite",
        f"?contributor={CONTRIBUTORS[1]}",
        "?metric=accuracy&sort=highest",
        "?metric=accuracy&sort=improvement",
    ):
        page = text(acme.client, f"/models{query}")
        items = acme.get(f"/api/models{query}")["items"]
        assert items
        assert listed(page) == [model["model_id"] for model in items]
    rows = words(text(acme.client, "/models"))
    assert "customer-churn 4 improved churn_prediction 0.8973 accuracy +1.6 pp 2 witnessed" in rows
    assert "churn-us 1 withdrawn" in rows


def test_fields_of_the_form_that_are_not_filled_in_are_no_conditions(
    acme: Training, lineage: Lineage
) -> None:
    page = text(
        acme.client, "/models?kind=&type=&token=&name=churn-eu&tenant=&contributor=&run_id="
    )
    assert len(listed(page)) == 1
    assert 'value="churn-eu"' in page


def test_next_leads_through_all_models(acme: Training, lineage: Lineage) -> None:
    found, path = [], "/models?limit=3&type=churn_prediction"
    while path:
        page = text(acme.client, path)
        found += listed(page)
        link = re.search(r'rel="next" href="([^"]+)"', page)
        path = html.unescape(link[1]) if link else ""
    assert found == [model["model_id"] for model in acme.models()]


def test_no_match_says_so_and_leads_back(acme: Training, lineage: Lineage) -> None:
    assert "No model meets these conditions." in words(text(acme.client, "/models?type=none"))


def test_a_wrong_condition_is_an_error_page(acme: Training) -> None:
    for query in ("kind=none", "color=red", "cursor=none", "kind=baseline&kind=improved"):
        response = acme.client.get(f"/models?{query}", headers={"Accept": "text/html"})
        assert response.status_code in (400, 422), query
        assert response.headers["content-type"].startswith("text/html")


def test_a_model_shows_its_metrics_against_the_baseline(acme: Training, lineage: Lineage) -> None:
    page = text(acme.client, f"/models/{lineage.line[2]}")
    said = words(page)
    assert "accuracy ↑ 0.850 0.881 +3.1 pp witnessed" in said
    assert "log_loss ↓ 0.412 0.431 +0.019 witnessed" in said
    assert "latency_ms ↓ 12.4 11.9 −0.500 witnessed" in said
    assert re.search(r'<td class="n up">\+3\.1 pp', page)
    assert re.search(r'<td class="n down">\+0\.019', page)
    for share in ("62.5 %", "25.0 %", "12.5 %"):
        assert share in said
    assert '<rect width="62.5" height="1"/>' in page


def test_a_model_shows_its_lineage_as_a_picture_and_in_words(
    acme: Training, lineage: Lineage
) -> None:
    for path in (f"/models/{lineage.best}", f"/models/{lineage.best}/lineage"):
        page = text(acme.client, path)
        picture = page[
            page.index('<svg class="lineage"') : page.index("</svg>", page.index("lineage"))
        ]
        boxes = re.findall(r'<a href="/models/(hkm_[\w-]+)', page[page.index("svg class") :])
        tree = acme.get(f"/api/models/{lineage.best}/lineage")
        assert {node["model"]["model_id"] for node in tree["nodes"]} <= set(boxes)
        assert picture.count("<rect") == len(tree["nodes"]) == 7
        assert picture.count('class="edge on"') == 3
        said = words(page[page.index("<details") :])
        assert (
            f"customer-churn 4 (this model) by {acme.tenant}, improves on customer-churn 3" in said
        )
        assert "accuracy 0.8973 ( +1.6 pp ), data of 2 contributors, attested" in said
        assert f"churn-us 1 by {acme.tenant}" in said
        assert '<svg class="chart"' in page


def test_a_withdrawn_model_says_so_and_why(acme: Training, lineage: Lineage) -> None:
    said = words(text(acme.client, f"/models/{lineage.withdrawn}"))
    assert "withdrawn improved" in said
    assert ": The shares were wrong. Nothing builds on it any more." in said


def test_lines_to_paste_name_the_gateway_the_model_and_its_attestation(
    quiet: RunningGateway, acme: Training, lineage: Lineage
) -> None:
    page = html.unescape(text(acme.client, f"/models/{lineage.best}"))
    assert f"export HOKUSAI_URL={quiet.url}\n" in page
    assert f"hokusai attest --fetch {lineage.attestation['hash']} -o attestation.json\n" in page
    # Its files were not read before it was attested, so that it says nothing of them.
    assert "hokusai verify attestation.json --known attestor.json --log log.jsonl</code>" in page
    unattested = text(acme.client, f"/models/{lineage.branch}")
    assert f"hokusai attest {lineage.branch} -o attestation.json" in unattested


def test_a_revoked_attestation_no_longer_counts(acme: Training, lineage: Lineage) -> None:
    attested = acme.client.post("/api/attestations", json={"model_id": lineage.line[1]}).json()
    path = f"/models/{lineage.line[1]}"
    assert "version 2 witnessed" in words(text(acme.client, path))
    revoked = acme.client.post(
        f"/api/attestations/{attested['hash']}/revoke", json={"reason": "A test."}
    )
    assert revoked.status_code == 200, revoked.text
    said = words(text(acme.client, path))
    assert "version 2 revoked" in said
    assert "witnessed revoked" in said


def test_other_tenants_see_what_the_api_shows_them(
    acme: Training, other: httpx.Client, lineage: Lineage
) -> None:
    page = text(other, f"/models/{lineage.best}")
    assert "Your record" not in page
    assert "Your record" in text(acme.client, f"/models/{lineage.best}")
    hidden = acme.registered(
        "baseline",
        run_id=acme.run(accuracy=0.91),
        model_type="secret-type",
        private=True,
        name="secret-name",
    )["model_id"]
    for path in ("", "/lineage"):
        assert other.get(f"/models/{hidden}{path}").status_code == 404
    assert other.get(f"/models/compare?ids={lineage.best},{hidden}").status_code == 404
    for path in ("/models", "/models?name=secret-name"):
        assert hidden not in text(other, path)
        assert hidden in text(acme.client, path)
    assert "private" in words(text(acme.client, f"/models/{hidden}"))


def test_models_are_compared_metric_by_metric(acme: Training, lineage: Lineage) -> None:
    page = text(
        acme.client, f"/models/compare?ids={lineage.line[0]},{lineage.line[1]}&ids={lineage.branch}"
    )
    said = words(page)
    assert "Compare 3 models" in said
    assert "accuracy ↑ 0.830 best: 0.850 0.836" in said
    assert "log_loss ↓ 0.440 best: 0.412 –" in said


@pytest.mark.parametrize("ids", ["", ",", ",".join(f"hkm_{n}" for n in range(9))])
def test_what_cannot_be_compared_is_refused(acme: Training, ids: str) -> None:
    response = acme.client.get(f"/models/compare?ids={ids}", headers={"Accept": "text/html"})
    assert response.status_code == 422
    assert "Compare 1 to 8 models" in words(response.text)


def test_pages_of_models_need_the_scope_read(quiet: RunningGateway, lineage: Lineage) -> None:
    paths = ("/models", f"/models/{lineage.best}", "/models/compare?ids=x")
    with quiet.client() as nobody, quiet.client(quiet.key(scopes=[Scope.WRITE])) as writer:
        for path in paths:
            assert nobody.get(path).status_code == 401
            response = writer.get(path, headers={"Accept": "text/html"})
            assert (response.status_code, "scope_missing" in response.text) == (403, True)


def test_a_model_shows_its_files_and_who_may_download_them(
    acme: Training, other: httpx.Client
) -> None:
    path = "data/<b>&'.pkl"
    files = [entry("MLmodel", b"x" * 1233), entry(path)]
    model = acme.registered("baseline", run_id=acme.run(accuracy=0.5), model_type="c", files=files)
    page = f"/models/{model['model_id']}"
    own, theirs = text(acme.client, page), text(other, page)
    for shown in (own, theirs):
        assert "2 files, 1.23 kB" in words(shown)
        assert "The registration lists them" in words(shown)
        assert html.escape(path, quote=False) in shown.replace("&#39;", "'")
        assert files[0]["sha256"] in shown
    link = f"/api/models/{model['model_id']}/files/content?path="
    assert own.count(link) == 2
    assert link not in theirs
    assert "does not share them" in words(theirs)
    response = acme.client.post("/api/attestations", json={"model_id": model["model_id"]})
    attested = text(acme.client, f"/attestations/{response.json()['hash']}")
    assert "Files claimed 2 files, 1.23 kB" in words(attested)
    assert "<dt>files</dt>" not in attested
    pending = acme.baseline(accuracy=0.5)
    assert "has still to read the files" in words(text(other, f"/models/{pending['model_id']}"))


def test_names_of_others_are_text(acme: Training) -> None:
    model = acme.registered(
        "baseline",
        run_id=acme.run(accuracy=0.5),
        model_type="<script>alert(1)</script>",
        metadata={"<i>": "</dl><script>"},
    )["model_id"]
    for path in ("/models", f"/models/{model}", f"/models/{model}/lineage"):
        page = text(acme.client, path)
        assert "<script>" not in page
        assert "<i>" not in page


def test_a_page_is_compressed_where_it_is_accepted(acme: Training, lineage: Lineage) -> None:
    response = acme.client.get("/models", headers={"Accept-Encoding": "gzip"})
    plain = acme.client.get("/models", headers={"Accept-Encoding": "identity"})
    assert response.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert response.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert int(response.headers["content-length"]) < int(plain.headers["content-length"])
