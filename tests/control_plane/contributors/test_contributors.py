"""The contributor endpoints: totals, and lists of contributions."""

import secrets
from typing import Any

import pytest
from eth_account import Account

from tests.support.training import Training


@pytest.fixture
def address() -> str:
    """A contributor's address, in EIP-55 form."""
    made: str = Account.create().address
    return made


def contribute(
    training: Training, address: str, after: float, *contributions: dict[str, Any]
) -> Any:
    baseline = training.baseline(accuracy=0.5, loss=1.0)
    return training.registered(
        "improved",
        run_id=training.run(accuracy=after, loss=0.5),
        baseline_model_id=baseline["model_id"],
        contributor_address=address,
        data_contribution=list(contributions),
    )


def test_totals_count_contributions_to_all_models_and_tenants(
    training: Training, stranger: Training, address: str
) -> None:
    other: str = Account.create().address
    one = contribute(
        training,
        address,
        0.6,
        {"data_size": 100, "data_hash": "a"},
        {"samples": 50, "data_hash": "b", "weight_bps": 1000, "note": "more"},
        {"contributor": other.lower(), "data_size": 7},
    )
    two = contribute(stranger, address, 0.45, {"data_hash": "a"})
    assert [share["weight_bps"] for share in one["contributors"]] == [4500, 1000, 4500]
    for spelled in (address, address.lower(), "0x" + address[2:].upper()):
        found = training.get(f"/api/contributors/{spelled}")
        assert found["address"] == address
        assert (found["contributions"], found["models"], found["data_size"]) == (3, 2, 150)
        # Each model counts once, and a smaller loss is an improvement.
        assert found["deltas"] == {"accuracy": 0.05, "loss": 1.0}
        assert found["attestations"] == 0
        assert found["first_at"] == one["created_at"]
        assert found["last_at"] == two["created_at"]
    assert training.get(f"/api/contributors/{other}")["data_size"] == 7


def test_contributions_are_listed_in_pages_newest_first(training: Training, address: str) -> None:
    model = contribute(training, address, 0.6, *({"data_hash": str(number)} for number in range(5)))
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = training.get(
            f"/api/contributors/{address.lower()}/contributions?limit=2"
            + (f"&cursor={cursor}" if cursor else "")
        )
        found += page["items"]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert [one["data_hash"] for one in found] == ["4", "3", "2", "1", "0"]
    assert sum(one["weight_bps"] for one in found) == 10_000
    assert {one["model_id"] for one in found} == {model["model_id"]}
    assert found[0]["improvements"] == {"accuracy": 0.1, "loss": 0.5}
    assert found[0]["address"] == address


def test_a_repeated_contribution_counts_once(training: Training, address: str) -> None:
    contribution: dict[str, Any] = {"data_hash": secrets.token_hex(4)}
    baseline = training.baseline(accuracy=0.5)
    body = {
        "run_id": training.run(accuracy=0.6),
        "baseline_model_id": baseline["model_id"],
        "contributor_address": address,
    }
    twice = training.register("improved", **body, data_contribution=[contribution, contribution])
    assert twice.status_code == 422
    assert training.register("improved", **body, data_contribution=contribution).status_code == 201
    assert training.register("improved", **body, data_contribution=contribution).status_code == 201
    assert training.get(f"/api/contributors/{address}")["contributions"] == 1


def test_an_address_without_contributions_is_not_found(training: Training, address: str) -> None:
    response = training.client.get(f"/api/contributors/{address}")
    assert (response.status_code, response.json()["reason"]) == (404, "not_found")
    assert training.get(f"/api/contributors/{address}/contributions")["items"] == []


@pytest.mark.parametrize("wrong", ["0x123...", "0x" + "g" * 40, "me"])
def test_a_text_that_is_not_an_address_is_refused(training: Training, wrong: str) -> None:
    for path in ("", "/contributions"):
        response = training.client.get(f"/api/contributors/{wrong}{path}")
        assert response.status_code == 422
        assert "Ethereum address" in response.json()["message"]
