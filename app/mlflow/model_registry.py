"""MLflow's models, as far as registrations need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from app.core.errors import MLflowRefusalError
from app.mlflow.client import MLflowClient, code_of, document_of, inside

# MLflow's own error codes for "there is none", also for an id that cannot be one.
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
# More logged models of one name in one experiment are seldom looked through.
PAGES = 20


@dataclass(frozen=True, slots=True)
class Run:
    """A run. metrics: the last values; outputs: the step of each model that it logged."""

    run_id: str
    experiment_id: str
    artifact_uri: str
    metrics: dict[str, float]
    outputs: dict[str, int]


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model as MLflow 3 logs it. created: milliseconds since 1970."""

    model_id: str
    run_id: str | None
    created: int


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a registered model."""

    name: str
    version: str
    run_id: str | None


class MLflowModels:
    """Runs, logged models and registered versions; a workspace of None is a shared MLflow's.

    Besides what MLflowControl raises, a write raises MLflowRefusalError where MLflow has decided
    against it. Every other failure leaves open whether it was done.
    """

    def __init__(self, control: MLflowClient) -> None:
        self._client = control.client

    async def run(self, workspace: str | None, run_id: str) -> Run | None:
        """GET runs/get."""
        document = await self._get(workspace, "/api/2.0/mlflow/runs/get", run_id=run_id)
        if document is None:
            return None
        run = document["run"]
        outputs = (run.get("outputs") or {}).get("model_outputs", [])
        return Run(
            run_id=str(run["info"]["run_id"]),
            experiment_id=str(run["info"]["experiment_id"]),
            artifact_uri=str(run["info"]["artifact_uri"]),
            # MLflow writes a number that is not finite as text.
            metrics={item["key"]: float(item["value"]) for item in run["data"].get("metrics", [])},
            outputs={str(item["model_id"]): int(item.get("step", 0)) for item in outputs},
        )

    async def has_artifacts(self, workspace: str | None, run_id: str, path: str) -> bool:
        """GET artifacts/list: whether a run has files below a path."""
        document = await self._get(
            workspace, "/api/2.0/mlflow/artifacts/list", run_id=run_id, path=path
        )
        return bool(document and document.get("files"))

    async def logged_model(self, workspace: str | None, model_id: str) -> LoggedModel | None:
        """GET logged-models/{model_id}; the id has to be safe in a path."""
        document = await self._get(workspace, f"/api/2.0/mlflow/logged-models/{model_id}")
        return _logged(document["model"]) if document is not None else None

    async def logged_models(self, workspace: str | None, run: Run, name: str) -> list[LoggedModel]:
        """POST logged-models/search: the models of that name that a run logged."""
        asked: dict[str, Any] = {"experiment_ids": [run.experiment_id]}
        if "'" not in name:
            asked["filter"] = f"name = '{name}'"
        found: list[LoggedModel] = []
        for _ in range(PAGES):
            answer = await self._client.post(
                "/api/2.0/mlflow/logged-models/search", json=asked, headers=inside(workspace)
            )
            if answer.status_code == httpx.codes.NOT_FOUND:  # MLflow 2
                return []
            document = document_of(answer)
            found += [
                _logged(model)
                for model in document.get("models", [])
                if model["info"].get("source_run_id") == run.run_id
                and model["info"].get("name") == name
            ]
            token = document.get("next_page_token")
            if not token:
                break
            asked["page_token"] = token
        return found

    async def version(self, workspace: str | None, name: str, version: str) -> Version | None:
        """GET model-versions/get."""
        document = await self._get(
            workspace, "/api/2.0/mlflow/model-versions/get", name=name, version=version
        )
        return _version(document["model_version"]) if document is not None else None

    async def make_registered_model(self, workspace: str | None, name: str) -> None:
        """POST registered-models/create; one that exists already is as good."""
        answer = await self._post(workspace, "registered-models/create", {"name": name})
        if code_of(answer) != "RESOURCE_ALREADY_EXISTS":
            _decided(answer)

    async def make_version(
        self,
        workspace: str | None,
        name: str,
        source: str,
        run_id: str | None,
        logged_model: str | None,
        tags: Mapping[str, str],
    ) -> str:
        """POST model-versions/create, which makes another one each time: the version."""
        asked: dict[str, Any] = {"name": name, "source": source, "tags": _tags(tags)}
        if run_id is not None:
            asked["run_id"] = run_id
        if logged_model is not None:
            asked["model_id"] = logged_model
        answer = await self._post(workspace, "model-versions/create", asked)
        return str(_decided(answer)["model_version"]["version"])

    async def tag_version(
        self, workspace: str | None, name: str, version: str, tags: Mapping[str, str]
    ) -> None:
        """POST model-versions/set-tag for each tag; a second time changes nothing."""
        for tag in _tags(tags):
            asked = {"name": name, "version": version, **tag}
            _decided(await self._post(workspace, "model-versions/set-tag", asked))

    async def versions_tagged(self, workspace: str | None, key: str, value: str) -> list[Version]:
        """GET model-versions/search: the versions with a tag, oldest first.

        `key` and `value` hold no quotes.
        """
        answer = await self._client.get(
            "/api/2.0/mlflow/model-versions/search",
            params={"filter": f"tags.`{key}` = '{value}'", "max_results": "1000"},
            headers=inside(workspace),
        )
        found = document_of(answer).get("model_versions", [])
        return sorted(map(_version, found), key=lambda one: (one.name, int(one.version)))

    async def delete_version(self, workspace: str | None, name: str, version: str) -> None:
        """DELETE model-versions/delete; one that is gone is as good."""
        answer = await self._client.request(
            "DELETE",
            "/api/2.0/mlflow/model-versions/delete",
            json={"name": name, "version": version},
            headers=inside(workspace),
        )
        if code_of(answer) not in ABSENT:
            document_of(answer)

    async def _get(
        self, workspace: str | None, route: str, /, **params: str
    ) -> dict[str, Any] | None:
        answer = await self._client.get(route, params=params, headers=inside(workspace))
        return None if code_of(answer) in ABSENT else document_of(answer)

    async def _post(
        self, workspace: str | None, route: str, document: dict[str, Any]
    ) -> httpx.Response:
        return await self._client.post(
            f"/api/2.0/mlflow/{route}", json=document, headers=inside(workspace)
        )


def _decided(answer: httpx.Response) -> dict[str, Any]:
    """The document of a good answer, or MLflow's refusal."""
    code = code_of(answer)
    # 401 and 403 are about the gateway, 408 and 429 about the moment.
    if (
        code is not None
        and 400 <= answer.status_code < 500
        and answer.status_code not in (401, 403, 408, 429)
    ):
        raise MLflowRefusalError(answer.status_code, code, str(answer.json().get("message", "")))
    return document_of(answer)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _version(found: Mapping[str, Any]) -> Version:
    return Version(str(found["name"]), str(found["version"]), found.get("run_id") or None)


def _logged(found: Mapping[str, Any]) -> LoggedModel:
    info = found["info"]
    return LoggedModel(
        model_id=str(info["model_id"]),
        run_id=info.get("source_run_id") or None,
        created=int(info.get("creation_timestamp_ms", 0)),
    )
