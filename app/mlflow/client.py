"""The HTTP client for the requests that the gateway itself sends to MLflow.

Requests of callers that are passed on to MLflow do not come through here. It is an ordinary
`httpx.AsyncClient` over the data plane's transport: both use the same connections and fail in the
same ways, and tests can hand in another transport.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from app.mlflow.artifacts import Artifacts
from app.mlflow.resources import LoggedModel, ModelVersion, Run
from app.mlflow.responses import (
    ALREADY_EXISTS,
    accepted_object,
    error_code,
    is_missing,
    json_object,
    require_success,
)
from app.mlflow.version import parse_version

API = "/api/2.0/mlflow"
API_3 = "/api/3.0/mlflow"
SERVER_INFO = f"{API_3}/server-info"
WORKSPACE = "X-MLFLOW-WORKSPACE"
DEFAULT_EXPERIMENT = "Default"

# Ids that become part of a path: none of them may contain a character that means something there.
DATASET_ID = LOGGED_MODEL_ID = ISSUE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
# MLflow fails with 500 for an id that is not a number, or too large for its database.
EXPERIMENT_ID = re.compile(r"[0-9]{1,9}")
# How many pages of a search for logged models are read before it ends.
MAX_PAGES = 20


class MLflowClient:
    """MLflow's REST API, as far as the gateway calls it.

    workspace: the value of the header X-MLFLOW-WORKSPACE; None, which sends no such header, for an
        MLflow that all tenants share.

    Every method raises UpstreamError where MLflow cannot be reached or sends an unexpected
    response. A write to the model registry raises MLflowRefusalError where MLflow decided against
    it; any other failure of a write leaves open whether MLflow carried it out.
    """

    def __init__(
        self, url: str, transport: httpx.AsyncBaseTransport, *, authorization: str | None = None
    ) -> None:
        """authorization: the value of the header Authorization, if MLflow needs one."""
        headers = {"Authorization": authorization} if authorization else {}
        # `trust_env` off: a proxy variable in the environment must not reroute MLflow's traffic.
        self._http = httpx.AsyncClient(
            base_url=url, transport=transport, headers=headers, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    # --- the server ---

    async def is_alive(self) -> bool:
        """GET /health: whether MLflow reports itself healthy."""
        return (await self._http.get("/health")).is_success

    async def server_version(self) -> str | None:
        """GET /version: MLflow's version; None where the response does not hold one."""
        response = await self._http.get("/version")
        return parse_version(response.text) if response.is_success else None

    async def check_access(self) -> None:
        """GET experiments/search: whether MLflow and its database serve the gateway.

        Unlike /health, the route is behind MLflow's checks of the credential and the Host header.
        Raises UpstreamMisconfiguredError where MLflow refuses one of these.
        """
        json_object(await self._http.get(f"{API}/experiments/search", params={"max_results": 1}))

    async def server_info(self) -> dict[str, Any]:
        """GET server-info: the features that MLflow announces to its clients."""
        return json_object(await self._http.get(SERVER_INFO))

    async def has_workspaces(self) -> bool:
        """GET server-info: whether MLflow keeps tenants apart (3.10 with --enable-workspaces)."""
        response = await self._http.get(SERVER_INFO)
        if response.status_code == httpx.codes.NOT_FOUND:
            return False
        return bool(json_object(response).get("workspaces_enabled", False))

    # --- its web interface ---

    async def index_page(self) -> tuple[str, bytes]:
        """GET /: the page of the web interface, and its media type."""
        response = await self._http.get("/")
        require_success(response)
        return response.headers.get("content-type", "text/plain"), response.content

    async def static_file(self, name: str) -> bytes | None:
        """GET static-files/…: a file of the web interface; None if there is none of this name."""
        response = await self._http.get(f"/static-files/{quote(name)}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        require_success(response)
        return response.content

    # --- workspaces ---

    async def create_workspace(self, name: str) -> None:
        """POST workspaces. One that exists already is treated as success."""
        response = await self._http.post(f"{API_3}/workspaces", json={"name": name})
        if error_code(response) != ALREADY_EXISTS:
            json_object(response)

    async def ensure_default_experiment(self, workspace: str) -> str:
        """POST experiments/create: the id of the workspace's experiment `Default`, new or not."""
        document = {"name": DEFAULT_EXPERIMENT}
        response = await self._post("experiments/create", document, workspace)
        if error_code(response) != ALREADY_EXISTS:
            return str(json_object(response)["experiment_id"])
        response = await self._get(
            f"{API}/experiments/get-by-name", workspace, experiment_name=DEFAULT_EXPERIMENT
        )
        return str(json_object(response)["experiment"]["experiment_id"])

    # --- whether a workspace holds something ---

    async def has_run(self, workspace: str, run_id: str) -> bool:
        """GET runs/get."""
        return await self._find(f"{API}/runs/get", workspace, run_id=run_id) is not None

    async def has_logged_model(self, workspace: str, model_id: str) -> bool:
        """GET logged-models/{model_id}."""
        if LOGGED_MODEL_ID.fullmatch(model_id) is None:
            return False
        return await self._find(f"{API}/logged-models/{model_id}", workspace) is not None

    async def has_experiment(self, workspace: str, experiment_id: str) -> bool:
        """GET experiments/get."""
        if EXPERIMENT_ID.fullmatch(experiment_id) is None:
            return False
        route = f"{API}/experiments/get"
        return await self._find(route, workspace, experiment_id=experiment_id) is not None

    async def has_dataset(self, workspace: str | None, dataset_id: str) -> bool:
        """GET datasets/{dataset_id}."""
        if DATASET_ID.fullmatch(dataset_id) is None:
            return False
        return await self._find(f"{API_3}/datasets/{dataset_id}", workspace) is not None

    async def has_artifacts(self, workspace: str | None, run_id: str, path: str) -> bool:
        """GET artifacts/list: whether a run has files at or below a path."""
        route = f"{API}/artifacts/list"
        document = await self._find(route, workspace, run_id=run_id, path=path)
        return bool(document and document.get("files"))

    async def has_issue(self, workspace: str, issue_id: str) -> bool:
        """GET issues/{issue_id}."""
        if ISSUE_ID.fullmatch(issue_id) is None:
            return False
        return await self._find(f"{API_3}/issues/{issue_id}", workspace) is not None

    async def artifacts_in(self, workspace: str | None, directory: str) -> dict[str, bool]:
        """GET mlflow-artifacts/artifacts: the names in a directory, and which are directories.

        directory: its path in the store, "" for the root.
        """
        params = {"path": directory} if directory else {}
        document = await self._find("/api/2.0/mlflow-artifacts/artifacts", workspace, **params)
        files = (document or {}).get("files", [])
        return {str(one["path"]): bool(one.get("is_dir")) for one in files}

    def artifacts(self, workspace: str | None, tenant: str) -> Artifacts:
        """The files of the runs and logged models of a workspace.

        tenant: on whose share of the connections to MLflow their content is received.
        """
        return Artifacts(self._http, _in_workspace(workspace), tenant)

    # --- runs and logged models ---

    async def run(self, workspace: str | None, run_id: str) -> Run | None:
        """GET runs/get: the run; None where the workspace has no such run."""
        document = await self._find(f"{API}/runs/get", workspace, run_id=run_id)
        return None if document is None else Run.parse(document["run"])

    async def logged_model(self, workspace: str | None, model_id: str) -> LoggedModel | None:
        """GET logged-models/{model_id}: the model; None where the workspace has no such model.

        The caller has checked that the id is safe in a path.
        """
        document = await self._find(f"{API}/logged-models/{model_id}", workspace)
        return None if document is None else LoggedModel.parse(document["model"])

    async def logged_models_of_run(
        self, workspace: str | None, run: Run, name: str
    ) -> list[LoggedModel]:
        """POST logged-models/search: the models of a name that a run logged.

        Empty with MLflow 2, which has no logged models.
        """
        query: dict[str, Any] = {"experiment_ids": [run.experiment_id]}
        # The filter language has no way to write a quote.
        if "'" not in name:
            query["filter"] = f"name = '{name}'"
        models: list[LoggedModel] = []
        for _ in range(MAX_PAGES):
            response = await self._post("logged-models/search", query, workspace)
            if response.status_code == httpx.codes.NOT_FOUND:
                return []
            document = json_object(response)
            models += [
                LoggedModel.parse(model)
                for model in document.get("models", [])
                if model["info"].get("source_run_id") == run.run_id
                and model["info"].get("name") == name
            ]
            token = document.get("next_page_token")
            if not token:
                break
            query["page_token"] = token
        return models

    # --- the model registry ---

    async def model_version(
        self, workspace: str | None, name: str, version: str
    ) -> ModelVersion | None:
        """GET model-versions/get: the version; None where the workspace has no such version."""
        route = f"{API}/model-versions/get"
        document = await self._find(route, workspace, name=name, version=version)
        return None if document is None else ModelVersion.parse(document["model_version"])

    async def create_registered_model(self, workspace: str | None, name: str) -> None:
        """POST registered-models/create. One that exists already is treated as success."""
        response = await self._post("registered-models/create", {"name": name}, workspace)
        if error_code(response) != ALREADY_EXISTS:
            accepted_object(response)

    async def create_model_version(
        self,
        workspace: str | None,
        name: str,
        source: str,
        run_id: str | None,
        logged_model: str | None,
        tags: Mapping[str, str],
    ) -> ModelVersion:
        """POST model-versions/create: the new version.

        MLflow makes another version each time that it is called.
        """
        version: dict[str, Any] = {"name": name, "source": source, "tags": _tags(tags)}
        if run_id is not None:
            version["run_id"] = run_id
        if logged_model is not None:
            version["model_id"] = logged_model
        response = await self._post("model-versions/create", version, workspace)
        return ModelVersion.parse(accepted_object(response)["model_version"])

    async def set_version_tags(
        self, workspace: str | None, name: str, version: str, tags: Mapping[str, str]
    ) -> None:
        """POST model-versions/set-tag, once for each tag. Repeating it changes nothing."""
        for tag in _tags(tags):
            document = {"name": name, "version": version, **tag}
            accepted_object(await self._post("model-versions/set-tag", document, workspace))

    async def versions_with_tag(
        self, workspace: str | None, key: str, value: str
    ) -> list[ModelVersion]:
        """GET model-versions/search: the versions with a tag, by name and oldest first.

        The caller has checked that `key` and `value` contain no quotes.
        """
        return await self._search_versions(workspace, f"tags.`{key}` = '{value}'")

    async def versions_of_run(self, workspace: str | None, run_id: str) -> list[ModelVersion]:
        """GET model-versions/search: the versions made from a run, by name and oldest first.

        The id is one that MLflow has given.
        """
        return await self._search_versions(workspace, f"run_id = '{run_id}'")

    async def _search_versions(self, workspace: str | None, condition: str) -> list[ModelVersion]:
        response = await self._get(
            f"{API}/model-versions/search", workspace, filter=condition, max_results="1000"
        )
        versions = map(ModelVersion.parse, json_object(response).get("model_versions", []))
        return sorted(versions, key=lambda version: (version.name, int(version.version)))

    async def delete_version(self, workspace: str | None, name: str, version: str) -> None:
        """DELETE model-versions/delete. One that does not exist is treated as success."""
        response = await self._http.request(
            "DELETE",
            f"{API}/model-versions/delete",
            json={"name": name, "version": version},
            headers=_in_workspace(workspace),
        )
        if not is_missing(response):
            json_object(response)

    async def _get(self, route: str, workspace: str | None, **params: str) -> httpx.Response:
        return await self._http.get(route, params=params, headers=_in_workspace(workspace))

    async def _find(
        self, route: str, workspace: str | None, **params: str
    ) -> dict[str, Any] | None:
        """GET: the JSON object; None where MLflow says that the resource does not exist."""
        response = await self._get(route, workspace, **params)
        return None if is_missing(response) else json_object(response)

    async def _post(
        self, route: str, document: dict[str, Any], workspace: str | None
    ) -> httpx.Response:
        """POST to a route below `API`."""
        return await self._http.post(
            f"{API}/{route}", json=document, headers=_in_workspace(workspace)
        )


def _in_workspace(workspace: str | None) -> dict[str, str]:
    return {} if workspace is None else {WORKSPACE: workspace}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
