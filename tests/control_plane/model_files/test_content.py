"""Downloading the files of a model: who may, and that nothing else can be read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.model_files import listed, run_with, store
from tests.support.responses import good, refused
from tests.support.training import Training

PAGE = b"<script>alert(document.cookie)</script>"
FILES = {
    "MLmodel": b"flavors: {}\n",
    "page.html": PAGE,
    "odd name & é+'.bin": b"\0" * 100_000,
    "empty": b"",
}


@pytest.fixture(scope="module")
def tenant(gateway: RunningGateway) -> Iterator[Training]:
    with Training.of(gateway) as one:
        yield one


@pytest.fixture(scope="module")
def other(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """A client of another tenant that may read."""
    with gateway.client(gateway.key(scopes=[Scope.READ])) as client:
        yield client


@pytest.fixture(scope="module")
def shared(tenant: Training) -> dict[str, Any]:
    return register(tenant, share_files=True)


def register(tenant: Training, **body: Any) -> dict[str, Any]:
    run = run_with(tenant, FILES)
    return tenant.registered("baseline", run_id=run, model_type="c", files=listed(FILES), **body)


def content(client: httpx.Client, model: dict[str, Any], path: str) -> httpx.Response:
    return client.get(f"/api/models/{model['model_id']}/files/content", params={"path": path})


@pytest.mark.parametrize("path", FILES)
def test_every_file_is_sent_as_it_is(
    tenant: Training, other: httpx.Client, shared: dict[str, Any], path: str
) -> None:
    for client in (tenant.client, other):
        response = content(client, shared, path)
        assert response.status_code == 200, response.text
        assert response.content == FILES[path]
        assert response.headers["content-length"] == str(len(FILES[path]))


def ranged(
    client: httpx.Client, model: dict[str, Any], path: str, range_: str, **headers: str
) -> httpx.Response:
    url = f"/api/models/{model['model_id']}/files/content"
    return client.get(url, params={"path": path}, headers={"Range": range_, **headers})


def test_a_download_goes_on_where_it_ended(
    tenant: Training, other: httpx.Client, shared: dict[str, Any]
) -> None:
    for client in (tenant.client, other):
        response = ranged(client, shared, "page.html", "bytes=5-")
        assert response.status_code == 206
        assert response.content == PAGE[5:]
        assert response.headers["content-range"] == f"bytes 5-{len(PAGE) - 1}/{len(PAGE)}"
        assert response.headers["content-length"] == str(len(PAGE) - 5)


@pytest.mark.parametrize(
    "range_", ["bytes=0-", "bytes=99999-", "bytes=1-2", "bytes=-5", "bytes=1-,3-", "lines=1-", "x"]
)
def test_another_range_gets_all_of_the_file(
    other: httpx.Client, shared: dict[str, Any], range_: str
) -> None:
    response = ranged(other, shared, "page.html", range_)
    assert (response.status_code, response.content) == (200, PAGE)
    conditional = ranged(other, shared, "page.html", "bytes=5-", **{"If-Range": '"x"'})
    assert (conditional.status_code, conditional.content) == (200, PAGE)


def test_a_browser_runs_nothing_of_it(other: httpx.Client, shared: dict[str, Any]) -> None:
    headers = content(other, shared, "page.html").headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cache-control"] == "private, no-store"
    assert headers["repr-digest"].startswith("sha-256=:")


def test_files_that_are_not_shared_are_the_tenants_own(
    tenant: Training, other: httpx.Client
) -> None:
    model = register(tenant)
    assert content(tenant.client, model, "MLmodel").content == FILES["MLmodel"]
    refused(content(other, model, "MLmodel"), 403, "permission_denied")
    # The list says what the model consists of, and is as public as the model.
    assert other.get(f"/api/models/{model['model_id']}/files").json()["items"] == listed(FILES)


def test_a_withdrawn_models_files_are_the_tenants_own(
    tenant: Training, other: httpx.Client
) -> None:
    model = register(tenant, share_files=True)
    assert content(other, model, "MLmodel").status_code == 200
    tenant.client.post(f"/api/models/{model['model_id']}/withdraw", json={"reason": "wrong"})
    refused(content(other, model, "MLmodel"), 409, "model_withdrawn")
    assert content(tenant.client, model, "MLmodel").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../MLmodel",
        "/etc/passwd",
        "./MLmodel",
        "model/MLmodel",
        "..%2fMLmodel",
        "MLmodel/",
        "%",
        "*",
    ],
)
def test_only_files_of_the_list_are_sent(
    other: httpx.Client, shared: dict[str, Any], path: str
) -> None:
    refused(content(other, shared, path), 404, "not_found")


@pytest.mark.parametrize("path", ["", "x" * 1025])
def test_what_is_not_a_path_is_refused(
    other: httpx.Client, shared: dict[str, Any], path: str
) -> None:
    refused(content(other, shared, path), 422, "validation_failed")


def test_a_file_that_has_changed_since_is_not_sent(tenant: Training) -> None:
    model = register(tenant)
    run = tenant.get(f"/api/mlflow/api/2.0/mlflow/runs/get?run_id={model['run_id']}")["run"]
    root = f"{run['info']['artifact_uri']}/model"
    store(tenant, root, {"page.html": b"longer" + PAGE})
    message = refused(content(tenant.client, model, "page.html"), 409, "files_differ")["message"]
    assert "'page.html'" in message
    listing = f"/api/models/{model['model_id']}/files"
    assert tenant.get(listing)["items"] == listed(FILES)


def test_files_that_nobody_has_read_or_listed_are_not_sent(tenant: Training) -> None:
    model = tenant.baseline(accuracy=0.5)
    problem = refused(content(tenant.client, model, "MLmodel"), 404, "not_found")
    assert "pending" in problem["message"]


def test_a_reader_that_leaves_occupies_no_connection(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    content = b"x" * 20_000_000
    with (
        RunningGateway(
            new_database(), mlflow_server.url, model_files_readers=0, upstream_connections=2
        ) as gateway,
        Training.of(gateway) as tenant,
    ):
        run = run_with(tenant, {"large": content})
        files = listed({"large": content})
        model = tenant.registered("baseline", run_id=run, model_type="c", files=files)
        path = f"/api/models/{model['model_id']}/files/content?path=large"
        # A tenant may hold half of the two connections.
        for _ in range(3):
            with tenant.client.stream("GET", path) as response:
                assert response.status_code == 200
                assert next(response.iter_raw(1000)) == b"x" * 1000
        assert tenant.client.get(path).content == content


def test_a_download_uses_the_share_of_its_reader(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    """Otherwise strangers that read slowly could use up what the owner of a model has."""
    settings = {"upstream_connections": 4, "upstream_pool_timeout": 0.5}
    with (
        RunningGateway(new_database(), mlflow_server.url, **settings) as gateway,
        Training.of(gateway) as owner,
        Training.of(gateway) as reader,
        ExitStack() as open_downloads,
    ):
        large = {"large": bytes(48 * 1024**2)}
        run = run_with(owner, large)
        model = owner.registered(
            "baseline", run_id=run, model_type="c", files=listed(large), share_files=True
        )
        reader.mlflow("runs/search", experiment_ids=["0"])
        # As many as one tenant may have, which nobody reads to the end.
        for _ in range(2):
            client = open_downloads.enter_context(gateway.client(gateway.key(reader.tenant)))
            url = f"/api/models/{model['model_id']}/files/content?path=large"
            started = open_downloads.enter_context(client.stream("GET", url))
            assert started.status_code == 200
        search = {"experiment_ids": ["0"]}
        path = "/api/mlflow/api/2.0/mlflow/runs/search"
        for _ in range(3):
            good(owner.client.post(path, json=search))
        assert reader.client.post(path, json=search).status_code == 503
