"""The SDK with a running gateway and a real MLflow."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.identity.key_format import new_token
from tests.sdk import user_functions
from tests.support.gateway import RunningGateway
from tests.support.mlflow_user import MLflowUser
from tests.support.wallet import Wallet


@pytest.fixture
def user(gateway: RunningGateway, tmp_path: Path) -> Iterator[MLflowUser]:
    """A user whose environment names the gateway and has an API key for it."""
    with MLflowUser(tmp_path, HOKUSAI_URL=gateway.url, MLFLOW_TRACKING_TOKEN=gateway.key()) as one:
        yield one


def test_a_random_forest_is_logged_registered_and_loaded(user: MLflowUser) -> None:
    result = user.call(user_functions.register_forest)

    assert result["model_id"].startswith("hkm_")
    assert result["metrics"] == result["run_metrics"] == {"accuracy": 0.9}
    assert result["metadata"]["dataset"] == "iris"
    assert result["signed"]
    assert result["predicts"] == [0, 0]
    assert (result["run_status"], result["active"]) == ("FINISHED", False)


def test_several_models_of_one_run_do_not_overwrite_each_other(user: MLflowUser) -> None:
    results = user.call(user_functions.register_kinds)

    assert {name: result["predicts"] for name, result in results.items()} == {
        "python_model": [2, 4],
        "object": [3, 6],
        "function": [4, 8],
    }
    assert len({result["model_id"] for result in results.values()}) == 3
    assert len({result["run_id"] for result in results.values()}) == 1


def test_an_improvement_is_tracked_registered_and_witnessed(user: MLflowUser) -> None:
    result = user.call(user_functions.improve)
    baseline_id, improved_id = result["ids"]

    assert result["delta"]["accuracy"] == pytest.approx(0.07)
    assert result["registered_delta"] == pytest.approx(0.07)
    assert result["claimed"] == "claimed"
    assert result["witnessed"] == result["model_kind"] == "witnessed"
    assert result["delta_one"] == pytest.approx(7.0)
    assert result["fetched_hash"] == result["hash"]
    assert result["hash"] in result["attestations"]
    assert result["path"] == [baseline_id, improved_id]
    # Newest first.
    assert result["listed"] == [improved_id, baseline_id]


def test_metrics_that_differ_from_mlflows_are_not_witnessed(user: MLflowUser) -> None:
    problem = user.call(user_functions.claim_other_metrics)

    assert problem["reason"] == "claim_disagrees"
    assert "0.6" in str(problem["disagreements"])


def test_experiments_nest_and_fail_and_restore_mlflows_state(user: MLflowUser) -> None:
    result = user.call(user_functions.nest_experiments)

    assert result["experiments"] == ["outer", "inner", "outer", "before"]
    assert result["parent"] == result["active_after_inner"] == result["outer"]
    assert result["tag"] == "a"
    assert result["statuses"] == ["FINISHED", "FINISHED", "FAILED"]
    assert result["is_ended"]
    assert result["is_at_the_gateway"]


def test_each_registry_uses_its_own_key_for_mlflow_too(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    first, second = gateway.key("sdk-first"), gateway.key("sdk-second")
    # The gateway does not know the key in the environment.
    with MLflowUser(
        tmp_path, HOKUSAI_URL=gateway.url, MLFLOW_TRACKING_TOKEN="hk_live_other"
    ) as user:
        tenants = user.call(user_functions.use_two_registries, first, second)

    assert tenants == ["sdk-second", "sdk-first"]


def test_a_model_is_never_logged_to_another_tracking_server(user: MLflowUser) -> None:
    assert user.call(user_functions.change_tracking_uri) == "ConfigurationError"


def test_a_wallet_works_for_mlflow_and_the_sdk_and_outlives_its_token(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    wallet = Wallet()
    key = wallet._account.key.hex()
    with MLflowUser(tmp_path, HOKUSAI_URL=gateway.url, HOKUSAI_PRIVATE_KEY=key) as user:
        result = user.call(user_functions.use_wallet, [new_token(), new_token()])

    assert result["tenants"] == {wallet.tenant}
    assert result["is_renewed"]
    assert result["whoami"] == wallet.address
    assert result["plugin"] == "hokusai"


def test_requests_above_the_rate_limit_are_delayed_and_none_is_lost(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    settings = gateway.settings
    assert settings.database_url is not None
    with RunningGateway(
        settings.database_url.get_secret_value(), settings.mlflow_url or "", rate_window=2
    ) as with_short_window:
        key = with_short_window.key(rate_limit=20)
        with MLflowUser(tmp_path, HOKUSAI_URL=with_short_window.url, HOKUSAI_API_KEY=key) as user:
            result = user.call(user_functions.exceed_rate_limit, 45)

    assert result == {"logged": 45, "limit": 20}


def test_thousands_of_metrics_fit_into_a_limit_of_a_hundred_requests(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    key = gateway.key(rate_limit=100)
    with MLflowUser(tmp_path, HOKUSAI_URL=gateway.url, HOKUSAI_API_KEY=key) as user:
        result = user.call(user_functions.log_much, 4000)

    assert sorted(result["steps"]) == list(range(4000))
    assert (result["inside"], result["last"]) == (1 / 4000, 1.0)
    # Of one window: a request for each metric would have taken forty windows.
    assert 0 < result["requests"] < 60


def test_a_model_in_mlflow_is_registered_by_its_uri(user: MLflowUser) -> None:
    result = user.call(user_functions.register_by_uri)

    assert result["first"] == result["second"]
    assert result["metrics"] == {"accuracy": 0.7}
    assert result["tags"]["stage"] == "x"
    assert result["tags"]["build"] == "7"
    assert result["token_id"] == f"n-{result['run_id'][:8]}"


def test_without_a_credential_each_first_use_is_an_error_that_says_so(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    variables = {"HOKUSAI_URL": gateway.url, "XDG_CONFIG_HOME": str(tmp_path)}
    with MLflowUser(tmp_path, **variables) as user:
        errors = user.call(user_functions.work_without_credential)

    assert len(errors) == 4
    assert all("HOKUSAI_API_KEY" in text for text in errors), errors


def test_an_improvement_on_an_unknown_baseline_uploads_nothing(user: MLflowUser) -> None:
    assert user.call(user_functions.improve_unknown_baseline) == 0
