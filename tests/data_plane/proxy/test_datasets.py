"""Evaluation datasets belong to own experiments only; a missing one gives 404."""

import secrets

import httpx
import pytest

from tests.support.gateway import RunningGateway

V2 = "/api/mlflow/api/2.0/mlflow"
V3 = "/api/mlflow/api/3.0/mlflow"
RECORDS = '[{"inputs": {"question": "why"}}]'


def new_experiment(client: httpx.Client) -> str:
    response = client.post(f"{V2}/experiments/create", json={"name": secrets.token_hex(6)})
    found: str = response.json()["experiment_id"]
    return found


def create(
    client: httpx.Client, *experiments: object, spelling: str = "experiment_ids"
) -> httpx.Response:
    body = {"name": secrets.token_hex(6), spelling: list(experiments)}
    return client.post(f"{V3}/datasets/create", json=body)


@pytest.mark.parametrize("spelling", ["experiment_ids", "experimentIds"])
def test_a_dataset_belongs_to_own_experiments_only(gateway: RunningGateway, spelling: str) -> None:
    with gateway.client(gateway.key()) as caller, gateway.client(gateway.key()) as other:
        own, foreign = new_experiment(caller), new_experiment(other)
        for given in ([foreign], [own, foreign], [foreign, "0"]):
            response = create(caller, *given, spelling=spelling)
            assert response.status_code == 404
            assert response.json()["reason"] == "not_found"
            assert f"Your tenant has no experiment {foreign!r}" in response.json()["message"]
        # MLflow converts a number to text.
        assert create(caller, int(foreign), spelling=spelling).status_code == 404
        for odd in (float(foreign), [foreign], {"id": foreign}, True):
            assert create(caller, odd, spelling=spelling).status_code in (400, 404)
        body = {"name": "n", spelling: foreign}
        assert caller.post(f"{V3}/datasets/create", json=body).status_code == 404
        assert caller.post(f"{V3}/datasets/search", json={}).json() == {}

        for given in ([], [own], [own, "0"]):
            dataset = create(caller, *given, spelling=spelling).json()["dataset"]["dataset_id"]
            stored = caller.get(f"{V3}/datasets/{dataset}/experiment-ids").json()
            assert len(stored.get("experiment_ids", [])) == len(given)
            # A second time, with their owners in the cache.
            assert create(caller, *given, spelling=spelling).status_code == 200


@pytest.mark.parametrize("experiment", ["99999999", "9" * 30, "-1", "abc", "1/../2", "\uff11"])
def test_an_invalid_experiment_id_is_refused(gateway: RunningGateway, experiment: str) -> None:
    with gateway.client(gateway.key()) as caller:
        new_experiment(caller)
        response = create(caller, experiment)
        assert response.status_code in (400, 404), response.text
        assert caller.post(f"{V3}/datasets/search", json={}).json() == {}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_records_of_a_missing_dataset_are_not_found(
    gateway: RunningGateway, method: str
) -> None:
    with gateway.client(gateway.key()) as caller, gateway.client(gateway.key()) as other:
        dataset = create(other).json()["dataset"]["dataset_id"]
        path = f"{V3}/datasets/{dataset}"
        records = {"dataset_id": dataset, "records": RECORDS}
        assert other.post(f"{path}/records", json=records).status_code == 200
        assert other.request(method, f"{path}/records").status_code == 200

        # A dataset of another tenant is treated as missing.
        for missing in (dataset, "d-" + "0" * 32, "%2e%2e", "x" * 200):
            response = caller.request(method, f"{V3}/datasets/{missing}/records")
            assert response.status_code in (400, 404)
            assert missing == "%2e%2e" or response.status_code == 404
            if method == "GET" and response.status_code == 404:
                assert response.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
                assert response.json()["reason"] == "not_found"

        assert other.delete(path).status_code == 200
        assert other.request(method, f"{path}/records").status_code == 404
