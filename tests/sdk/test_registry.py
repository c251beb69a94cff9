"""The SDK against a running gateway and a real MLflow."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.identity.key_format import new_token
from tests.sdk import reader
from tests.support.gateway import RunningGateway
from tests.support.mlflow_user import MLflowUser
from tests.support.wallet import Wallet


@pytest.fixture
def user(gateway: RunningGateway, tmp_path: Path) -> Iterator[MLflowUser]:
    """A user with one key, in the variable that MLflow knows too."""
    with MLflowUser(tmp_path, HOKUSAI_URL=gateway.url, MLFLOW_TRACKING_TOKEN=gateway.key()) as one:
        yield one


def test_a_random_forest_is_logged_registered_and_loaded(user: MLflowUser) -> None:
    found = user.call(reader.register_forest)

    assert found["model_id"].startswith("hkm_")
    assert found["metrics"] == found["run_metrics"] == {"accuracy": 0.9}
    assert found["metadata"]["dataset"] == "iris"
    assert found["signed"]
    assert found["predicts"] == [0, 0]
    assert (found["run_status"], found["active"]) == ("FINISHED", False)


def test_models_of_one_run_stay_apart(user: MLflowUser) -> None:
    found = user.call(reader.register_kinds)

    assert {name: result["predicts"] for name, result in found.items()} == {
        "python_model": [2, 4],
        "object": [3, 6],
        "function": [4, 8],
    }
    assert len({result["model_id"] for result in found.values()}) == 3
    assert len({result["run_id"] for result in found.values()}) == 1


def test_an_improvement_is_tracked_registered_and_witnessed(user: MLflowUser) -> None:
    found = user.call(reader.improve)

    assert found["delta"]["accuracy"] == pytest.approx(0.07)
    assert found["recorded"] == pytest.approx(0.07)
    assert (found["claimed"], found["witnessed"], found["again"]) == (
        "claimed",
        "witnessed",
        "witnessed",
    )
    assert found["delta_one"] == found["minted"] == pytest.approx(7.0)
    assert found["fetched"]
    assert found["path"]
    assert found["model"]
    # Newest first, over two pages of one.
    assert found["mine"] == found["ids"]


def test_a_claim_that_mlflow_does_not_bear_out_is_refused(user: MLflowUser) -> None:
    problem = user.call(reader.witness_a_lie)

    assert problem["reason"] == "claim_disagrees"
    assert "0.6" in str(problem["disagreements"])


def test_experiments_nest_fail_and_leave_no_trace(user: MLflowUser) -> None:
    found = user.call(reader.experiments)

    assert found["experiments"] == ["outer", "inner", "outer", "before"]
    assert found["parent"]
    assert found["tag"] == "a"
    assert found["statuses"] == ["FINISHED", "FINISHED", "FAILED"]
    assert found["ended"]
    assert found["uri"]


def test_each_registry_uses_its_own_key_for_mlflow_too(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    first, second = gateway.key("sdk-first"), gateway.key("sdk-second")
    # The key of the environment is nobody's.
    with MLflowUser(
        tmp_path, HOKUSAI_URL=gateway.url, MLFLOW_TRACKING_TOKEN="hk_live_other"
    ) as user:
        assert user.call(reader.two_registries, first, second) == ["sdk-second", "sdk-first"]


def test_a_model_is_never_logged_to_another_store(user: MLflowUser) -> None:
    assert user.call(reader.changed_store) == "ConfigurationError"


def test_a_wallet_works_for_mlflow_and_the_sdk_and_outlives_its_token(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    wallet = Wallet()
    key = wallet._account.key.hex()
    with MLflowUser(tmp_path, HOKUSAI_URL=gateway.url, HOKUSAI_PRIVATE_KEY=key) as user:
        found = user.call(reader.wallet_run, [new_token(), new_token()])

    assert found["tenants"] == {wallet.tenant}
    assert found["renewed"]
    assert found["whoami"] == wallet.address
    assert found["plugin"] == "hokusai"


def test_more_requests_than_the_limit_all_arrive(gateway: RunningGateway, tmp_path: Path) -> None:
    settings = gateway.settings
    assert settings.database_url is not None
    with RunningGateway(
        settings.database_url.get_secret_value(), settings.mlflow_url or "", rate_window=2
    ) as hasty:
        key = hasty.key(rate_limit=20)
        with MLflowUser(tmp_path, HOKUSAI_URL=hasty.url, HOKUSAI_API_KEY=key) as user:
            found = user.call(reader.hurry, 45)

    assert found == {"logged": 45, "limit": 20}


def test_what_is_in_mlflow_already_is_registered_by_its_uri(user: MLflowUser) -> None:
    found = user.call(reader.hand_over_uri)

    assert found["same"]
    assert found["metrics"] == {"accuracy": 0.7}
    assert found["tags"]["stage"] == "x"
    assert found["tags"]["build"] == "7"
    assert found["token"]


def test_without_a_credential_each_first_use_says_so(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    variables = {"HOKUSAI_URL": gateway.url, "XDG_CONFIG_HOME": str(tmp_path)}
    with MLflowUser(tmp_path, **variables) as user:
        told = user.call(reader.nobody)

    assert len(told) == 4
    assert all("HOKUSAI_API_KEY" in text for text in told), told


def test_an_improvement_on_nothing_uploads_nothing(user: MLflowUser) -> None:
    assert user.call(reader.improve_nothing) == "0"
