"""What the page of a model offers to take along: real links, as far as there is something."""

import html
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.model_files import listed, run_with, wait_for
from tests.support.responses import good
from tests.support.training import Training

FILES = {"MLmodel": b"flavors: {}\n"}


@pytest.fixture(scope="module")
def training(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[Training]:
    """A tenant of a gateway that reads the files of models."""
    with (
        RunningGateway(new_database(), mlflow_server.url, model_files_readers=1) as gateway,
        Training.of(gateway) as made,
    ):
        yield made


def page_of(client: httpx.Client, model_id: str) -> str:
    response = client.get(f"/models/{model_id}", headers={"Accept": "text/html"})
    assert response.status_code == 200, response.text
    return html.unescape(response.text)


def downloads(page: str) -> list[str]:
    return re.findall(r'<a class="button" href="([^"]+)" download>', page)


def test_signature_key_and_bill_of_materials_can_be_downloaded(training: Training) -> None:
    run_id = run_with(training, FILES)
    model = training.registered("baseline", run_id=run_id, model_type="c")
    model_id = model["model_id"]
    wait_for(training.client, model, "witnessed")
    page = page_of(training.client, model_id)
    links = downloads(page)
    assert links == [
        f"/api/models/{model_id}/model.sig",
        "/.well-known/hokusai.pub",
        f"/api/models/{model_id}/mlbom.json",
    ]
    for link in links:
        assert training.client.get(link).status_code == 200, link
    assert "model_signing verify key model --signature model.sig" in page
    reason = {"reason": "It was a mistake."}
    good(training.client.post(f"/api/models/{model_id}/withdraw", json=reason))
    assert downloads(page_of(training.client, model_id)) == links[2:]


@pytest.mark.parametrize(
    ("files", "state", "words"),
    [
        (None, "failed", "could not read them"),
        (listed({"MLmodel": b"another"}), "differs", "has read others than its registration lists"),
    ],
)
def test_without_a_signature_the_page_says_why(
    training: Training, files: list[dict[str, object]] | None, state: str, words: str
) -> None:
    run_id = training.run(None if files is None else "model", accuracy=0.5)
    stated = {} if files is None else {"files": files}
    name = f"n-{state}"
    training.mlflow("registered-models/create", name=name)
    training.mlflow(
        "model-versions/create", name=name, source=f"runs:/{run_id}/model", run_id=run_id
    )
    model = training.registered("baseline", model_uri=f"models:/{name}/1", model_type="c", **stated)
    wait_for(training.client, model, state)
    page = page_of(training.client, model["model_id"])
    assert f"There is no signature of its files: the gateway {words}." in page
    assert downloads(page) == [f"/api/models/{model['model_id']}/mlbom.json"]
