"""A model can name only runs of its own tenant as its source."""

import httpx
import pytest

from tests.support.gateway import RunningGateway

API = "/api/mlflow/api/2.0/mlflow"


def new_run(client: httpx.Client) -> str:
    response = client.post(f"{API}/runs/create", json={"experiment_id": "0"})
    run_id: str = response.json()["run"]["info"]["run_id"]
    return run_id


@pytest.mark.parametrize("spelling", ["run_id", "runId"])
def test_model_version_names_only_own_runs(gateway: RunningGateway, spelling: str) -> None:
    with gateway.client(gateway.key()) as caller, gateway.client(gateway.key()) as other:
        own, foreign = new_run(caller), new_run(other)
        caller.post(f"{API}/registered-models/create", json={"name": "m"}).raise_for_status()
        for origin in (
            {"source": f"runs:/{foreign}/model", spelling: foreign},
            {"source": f"runs:/{foreign}/model", spelling: own},
            {"source": f"runs:/{own}/model", spelling: foreign},
            {"source": f"runs:/{foreign}/model"},
        ):
            response = caller.post(f"{API}/model-versions/create", json={"name": "m", **origin})
            assert response.status_code == 404
            assert f"Your tenant has no run {foreign!r}" in response.json()["message"]
        assert caller.get(f"{API}/model-versions/search").json() == {}
        origin = {"source": f"runs:/{own}/model", spelling: own}
        response = caller.post(f"{API}/model-versions/create", json={"name": "m", **origin})
        assert response.status_code == 200


def test_logged_model_names_only_own_runs(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as caller, gateway.client(gateway.key()) as other:
        for source, status in ((new_run(caller), 200), (new_run(other), 404)):
            body = {"experiment_id": "0", "name": "m", "source_run_id": source}
            assert caller.post(f"{API}/logged-models", json=body).status_code == status
