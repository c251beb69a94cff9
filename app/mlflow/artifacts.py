"""The files of a run or of a logged model, read through MLflow's own routes.

MLflow reads them wherever they are stored, so that the gateway needs no access to the store. Every
function raises UpstreamError and its kinds where MLflow fails.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from app.core.errors import NotFoundError, UpstreamError
from app.mlflow.responses import is_missing, require_success

# Bytes of the list of one directory that are read: some 50,000 files.
MAX_LISTING = 8 * 1024 * 1024
# Files are read as they are stored, so that their bytes can be counted.
_PLAIN = {"Accept-Encoding": "identity"}


class ListingTooLongError(Exception):
    """A directory has so many entries that its list is not read."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory of artifacts: of a run or of a logged model, of which one is given.

    path: of the directory below the root of its artifacts; "" for the root itself.
    """

    run_id: str | None = None
    logged_model: str | None = None
    path: str = ""

    def below(self, path: str) -> str:
        """The path of something in this directory, below the root of the artifacts."""
        return f"{self.path}/{path}" if self.path and path else self.path or path


@dataclass(frozen=True, slots=True)
class Artifact:
    """An entry of a directory.

    path: below its `Place`. size: in bytes; None where MLflow does not say it, as for a directory,
    an empty file, or a store that does not know.
    """

    path: str
    is_directory: bool
    size: int | None


@dataclass(frozen=True, slots=True)
class OpenArtifact:
    """A file that is being received. size: in bytes, if MLflow says it before the end."""

    size: int | None
    chunks: AsyncIterator[bytes]


class Artifacts:
    """Lists and reads artifacts.

    http: the client of MLflow. headers: those that name the workspace. caller: on whose share of
    the connections to MLflow they are received.
    """

    def __init__(self, http: httpx.AsyncClient, headers: dict[str, str], caller: str) -> None:
        self._http = http
        self._headers = headers
        self._extensions = {"caller": caller}

    async def list(self, place: Place, directory: str = "") -> list[Artifact]:
        """The entries of a directory; none where there is no such directory.

        directory: its path below the place. Raises ListingTooLongError, and NotFoundError where
        there is no such run or logged model.
        """
        path = place.below(directory)
        if place.logged_model is not None:
            route = f"/api/2.0/mlflow/logged-models/{place.logged_model}/artifacts/directories"
            params = {"artifact_directory_path": path} if path else {}
        else:
            assert place.run_id is not None
            route = "/api/2.0/mlflow/artifacts/list"
            params = {"run_id": place.run_id} | ({"path": path} if path else {})
        async with self._get(route, params) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_LISTING:
                    raise ListingTooLongError
        return [_entry(one, place) for one in _files(bytes(body), route)]

    @asynccontextmanager
    async def open(self, place: Place, path: str) -> AsyncIterator[OpenArtifact]:
        """Receive one file. path: below the place. Raises NotFoundError where it is not there."""
        name = place.below(path)
        if place.logged_model is not None:
            route = f"/ajax-api/2.0/mlflow/logged-models/{place.logged_model}/artifacts/files"
            params = {"artifact_file_path": name}
        else:
            assert place.run_id is not None
            route, params = "/get-artifact", {"run_id": place.run_id, "path": name}
        async with self._get(route, params) as response:
            length = response.headers.get("content-length")
            size = int(length) if length is not None else None
            yield OpenArtifact(size, response.aiter_raw())

    @asynccontextmanager
    async def _get(self, route: str, params: dict[str, str]) -> AsyncIterator[httpx.Response]:
        headers = self._headers | _PLAIN
        async with self._http.stream(
            "GET", route, params=params, headers=headers, extensions=self._extensions
        ) as response:
            if not response.is_success:
                await response.aread()
                if response.status_code == httpx.codes.NOT_FOUND or is_missing(response):
                    raise NotFoundError("MLflow no longer has this artifact.")
                require_success(response)
            if "content-encoding" in response.headers:
                raise UpstreamError(f"MLflow's response to {route} is compressed without need.")
            yield response


def _files(body: bytes, route: str) -> list[dict[str, Any]]:
    try:
        files = json.loads(body).get("files", [])
    except (ValueError, AttributeError):
        files = None
    if not isinstance(files, list):
        raise UpstreamError(f"MLflow's response to {route} is not a list of files.")
    return files


def _entry(entry: dict[str, Any], place: Place) -> Artifact:
    path, above = str(entry["path"]), f"{place.path}/" if place.path else ""
    if not path.startswith(above):
        raise UpstreamError("MLflow lists files of another directory than the one requested.")
    # MLflow writes a 64-bit integer as text.
    size = int(entry["file_size"]) if "file_size" in entry else None
    return Artifact(path.removeprefix(above), bool(entry.get("is_dir")), size)
