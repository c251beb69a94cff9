"""The names under which users of the Hokusai platform's own SDK know what `GatewayCalls` does.

Each is a thin call of the method beside it. Names of that SDK that run models (A/B tests, inference
pipelines) or change versions in MLflow (`rollback_model`) are not here.
"""

from __future__ import annotations

from typing import Any

from hokusai.api import GatewayAPI
from hokusai.errors import NotFoundError
from hokusai.results import Lineage, RegisteredModel, Result


class PlatformNames:
    """Reading models by the names of the platform's SDK.

    Attributes:
        api: Sends the requests.
    """

    api: GatewayAPI

    def get_model_by_id(self, model_id: str) -> RegisteredModel:
        """Fetch one model: the same as `model`.

        Raises:
            NotFoundError: There is none with this id that the caller can see.
        """
        return self.api.model(model_id)

    def list_models_by_type(self, model_type: str) -> list[RegisteredModel]:
        """List the caller's models of a type, newest first.

        Those of other tenants too are in `models(type=...)`.

        Args:
            model_type: The `model_type` of their registrations, such as `classification`.
        """
        return list(self.api.models(type=model_type, tenant=self.api.whoami().tenant))

    def get_latest_model(self, model_type: str) -> RegisteredModel | None:
        """Fetch the caller's newest model of a type; None where there is none.

        Withdrawn models, and those whose version is gone from MLflow, are passed over.

        Args:
            model_type: The `model_type` of its registration.
        """
        for model in self.api.models(type=model_type, tenant=self.api.whoami().tenant):
            if model.get("withdrawn") is None and model.get("gone_at") is None:
                return self.api.model(model.model_id)
        return None

    def list_models_by_token(self, token_id: str) -> list[RegisteredModel]:
        """List all versions of a token's model, newest first: the same as `models(token=...)`.

        Args:
            token_id: The token, in any casing.
        """
        return list(self.api.models(token=token_id))

    def get_tokenized_model(self, model_name: str, version: str | int) -> RegisteredModel:
        """Fetch a tokenized model of the caller by its name and version in MLflow.

        Args:
            model_name: The registered model in MLflow.
            version: Its version in MLflow.

        Raises:
            NotFoundError: No tokenized model is registered for this version.
        """
        tenant = self.api.whoami().tenant
        for model in self.api.models(name=model_name, kind="tokenized", tenant=tenant):
            if model.mlflow_version == str(version) and model.get("gone_at") is None:
                return self.api.model(model.model_id)
        raise NotFoundError(
            404,
            {
                "reason": "not_found",
                "message": f"No tokenized model is registered for models:/{model_name}/{version}.",
            },
        )

    def get_model_lineage(self, model_id: str) -> Lineage:
        """Fetch the tree of models that this one belongs to: the same as `lineage`.

        Raises:
            NotFoundError: There is no model with this id that the caller can see.
        """
        return self.api.lineage(model_id)

    def get_contributor_impact(self, contributor_address: str) -> Result:
        """Fetch what one contributor's data achieved: `GET /api/contributors/{address}`.

        Args:
            contributor_address: The contributor's Ethereum address.

        Raises:
            NotFoundError: It has contributed to no model that the caller can see.
        """
        return self.api.contributor(contributor_address)

    def compare_models(self, baseline_id: str, candidate_id: str) -> Result:
        """Compare the registered metrics of two models.

        The platform's SDK runs both models on test data here. This one runs nothing: it compares
        what was registered, of the metrics that both have.

        Args:
            baseline_id: Hokusai's id of the one.
            candidate_id: Hokusai's id of the other.

        Returns:
            `baseline_metrics` and `candidate_metrics`; `differences`, candidate minus baseline; and
            `improvements`, which are positive where the candidate is better, by metric.

        Raises:
            NotFoundError: One of them is none that the caller can see.
        """
        baseline, candidate = self.api.model(baseline_id), self.api.model(candidate_id)
        before: dict[str, float] = baseline["metrics"]
        after: dict[str, float] = candidate["metrics"]
        higher: dict[str, Any] = {**candidate["higher_is_better"], **baseline["higher_is_better"]}
        common = [name for name in before if name in after]
        differences = {name: round(after[name] - before[name], 6) for name in common}
        return Result(
            {
                "baseline_metrics": before,
                "candidate_metrics": after,
                "differences": differences,
                "improvements": {
                    name: value if higher.get(name, True) else -value
                    for name, value in differences.items()
                },
            }
        )
