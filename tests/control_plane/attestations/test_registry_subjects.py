"""Attestations of registered models, from registration to lineage and contributor."""

from typing import Any

import pytest

from tests.support.attesting import CONTRIBUTOR
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.training import Training

OTHER = "0x" + "5a" * 20


def test_an_improvement_on_another_tenants_baseline_can_be_attested(
    gateway: RunningGateway,
) -> None:
    with Training.of(gateway) as owner, Training.of(gateway) as improver:
        baseline = owner.baseline(accuracy=0.8)
        improved = improver.registered(
            "improved",
            run_id=improver.run(accuracy=0.84),
            model_type="classification",
            baseline_model_id=baseline["model_id"],
            contributor_address=OTHER,
            data_contribution={"samples": 500},
        )
        attest = improver.attest
        document = good(attest(model_id=improved["model_id"]), 201)
        data = document["data"]
        assert data["baseline"]["model_id"] == baseline["model_id"]
        assert data["baseline"]["run_id"] == baseline["run_id"]
        assert (document["delta_one"], data["primary_metric"]) == (4.0, "accuracy")
        (share,) = data["contributors"]
        assert (share["address"].lower(), share["data_size"]) == (OTHER, 500)
        refused(owner.attest(model_id=improved["model_id"]), 403, "permission_denied")
        # Every tenant sees it wherever the improvement is shown.
        for reader in (owner, improver):
            shown = reader.get(f"/api/models/{improved['model_id']}")
            assert shown["attestations"] == [document["hash"]]
            tree = reader.get(f"/api/models/{baseline['model_id']}/lineage")
            attested = {node["model"]["model_id"]: node["attestations"] for node in tree["nodes"]}
            assert attested[improved["model_id"]] == [document["hash"]]
            assert reader.get(f"/api/contributors/{OTHER}")["attestations"] >= 1
            named = reader.get(f"/api/contributors/{OTHER}/attestations")["items"]
            assert document["hash"] in [one["hash"] for one in named]


def test_an_attestation_of_a_private_baseline_is_visible_to_its_tenant_only(
    gateway: RunningGateway,
) -> None:
    with Training.of(gateway) as owner, Training.of(gateway) as stranger:
        private = owner.registered(
            "baseline",
            run_id=owner.run(accuracy=0.8),
            model_type="classification",
            private=True,
        )
        request = {"model_id": private["model_id"]}
        document = good(owner.attest(**request), 201)
        refused(stranger.attest(**request), 404, "not_found")
        path = f"/api/attestations/{document['hash']}"
        assert owner.get(path)["hash"] == document["hash"]
        refused(stranger.client.get(path), 404, "not_found")
        # Anybody who has the document can verify it.
        response = good(stranger.client.post("/api/attestations/verify", json=document))
        assert response["valid"], response


@pytest.mark.parametrize("field", ["model_id", "improved_model_id", "baseline_model_id"])
def test_a_model_that_does_not_exist_is_not_found(gateway: RunningGateway, field: str) -> None:
    with Training.of(gateway) as training:
        request: dict[str, Any] = {field: "hkm_none"}
        if field == "baseline_model_id":
            request["improved_run_id"] = training.run(accuracy=0.5)
        contribution = {"contributor": CONTRIBUTOR}
        response = training.attest(**request, data_contribution=contribution)
        refused(response, 404, "not_found")
