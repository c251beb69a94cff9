"""Minting with the SDK: the improver, and the holder of the token."""

from pathlib import Path

from tests.sdk import minting_functions
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket
from tests.support.mlflow_user import MLflowUser
from tests.support.training import Training


def test_an_improvement_by_another_tenant_is_minted_once_the_holder_approves(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    with (
        TokenMarket(gateway) as market,
        Training.of(gateway) as improver,
        user(gateway, tmp_path, market.holder.tenant) as holder,
        user(gateway, tmp_path, improver.tenant) as other,
    ):
        model_id = market.improve(improver)["model_id"]
        assert other.call(minting_functions.mint, model_id) == {"reason": "approval_missing"}
        approval = holder.call(minting_functions.approve, market.token_id, model_id)
        signed = other.call(minting_functions.mint, model_id)
        assert signed["chain_model_id"] == market.number
        assert signed["complete"]
        assert other.call(minting_functions.message) == signed["digest"]
        assert holder.call(minting_functions.withdraw, approval)
        assert other.call(minting_functions.mint, model_id) == {"reason": "approval_missing"}


def user(gateway: RunningGateway, directory: Path, tenant: str) -> MLflowUser:
    key = gateway.key(tenant)
    return MLflowUser(directory, HOKUSAI_URL=gateway.url, MLFLOW_TRACKING_TOKEN=key)
