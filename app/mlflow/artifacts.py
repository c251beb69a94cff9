"""The files of a run or of a logged model, read through MLflow's own routes.

MLflow reads them wherever they are stored, so that the gateway needs no access to the store. Every
function raises UpstreamError and its kinds where MLflow fails.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from app.core import json_in_pieces, strict_json
from app.core.errors import NotFoundError, UpstreamError
from app.mlflow.responses import is_missing, require_success

# Bytes of the list of one directory that are read: some 30,000 files.
MAX_LISTING = 4 * 1024 * 1024
# Bytes of an error response that are read; MLflow's are far shorter.
MAX_ERROR = 64 * 1024
# Bytes of a list that are parsed on the event loop, which takes a millisecond.
SMALL_LISTING = 64 * 1024
# Files are read as they are stored, so that their bytes can be counted.
_PLAIN = {"Accept-Encoding": "identity"}
# The three numbers of a Content-Range (RFC 9110, section 14.4).
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_STRONG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


class ListingTooLongError(Exception):
    """A directory has so many entries that its list is not read."""


class OtherPartError(UpstreamError):
    """MLflow does not send the part of a file that was requested."""


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
    """A file that is being received.

    size: of the whole file in bytes, if MLflow says it before the end. start: where in the file
    `chunks` begin. version: its strong ETag (RFC 9110, section 8.8.3), if it has one.
    """

    size: int | None
    start: int
    version: str | None
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
        async with self._send("GET", route, params) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_LISTING:
                    raise ListingTooLongError
        if len(body) <= SMALL_LISTING:
            return _parse(bytes(body), place, path, route)
        return await asyncio.to_thread(_parse, bytes(body), place, path, route)

    @asynccontextmanager
    async def open(
        self,
        place: Place,
        path: str,
        *,
        start: int = 0,
        version: str | None = None,
        patience: float = 0.0,
    ) -> AsyncIterator[OpenArtifact]:
        """Receive one file.

        Raises NotFoundError where it is not there, and OtherPartError, never where `start` is 0.

        path: below the place. start: the byte to begin with; MLflow may begin with the first one
        anyway. version: begin at `start` only if the file still has this ETag. patience: seconds
        for which MLflow may be silent before the first byte, besides the client's read timeout.
        """
        headers = {}
        if start > 0:
            headers["Range"] = f"bytes={start}-"
            if version is not None:
                headers["If-Range"] = version
        route, params = _file_route(place, path)
        expected = {200, 206, 416} if start > 0 else {200}
        async with self._send(
            "GET", route, params, headers=headers, expected=expected, patience=patience
        ) as response:
            yield _opened(response, start, version, route)

    async def version(self, place: Place, path: str) -> str | None:
        """The strong ETag of a file; None where it has none.

        For a file in an object store MLflow makes a copy of it for each request, and an ETag for
        each copy. Raises NotFoundError where the file is not there.
        """
        route, params = _file_route(place, path)
        async with self._send("HEAD", route, params, expected={200, 405}) as response:
            return _strong_etag(response) if response.status_code == httpx.codes.OK else None

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        route: str,
        params: dict[str, str],
        *,
        headers: dict[str, str] | None = None,
        expected: Collection[int] = (200,),
        patience: float = 0.0,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request, and check all of its response but the body."""
        async with self._http.stream(
            method,
            route,
            params=params,
            headers=self._headers | _PLAIN | (headers or {}),
            extensions=self._extensions | {"patience": patience},
        ) as response:
            if response.status_code not in expected:
                await _raise(response, route)
            if "content-encoding" in response.headers:
                raise UpstreamError(f"MLflow's response to {route} is compressed without need.")
            yield response


def _file_route(place: Place, path: str) -> tuple[str, dict[str, str]]:
    name = place.below(path)
    if place.logged_model is not None:
        route = f"/ajax-api/2.0/mlflow/logged-models/{place.logged_model}/artifacts/files"
        return route, {"artifact_file_path": name}
    assert place.run_id is not None
    return "/get-artifact", {"run_id": place.run_id, "path": name}


async def _raise(response: httpx.Response, route: str) -> NoReturn:
    """Raise the error that a response stands for."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ERROR:
            break
    whole = httpx.Response(response.status_code, content=bytes(body), request=response.request)
    if not whole.is_success:
        if whole.status_code == httpx.codes.NOT_FOUND or is_missing(whole):
            raise NotFoundError("MLflow no longer has this artifact.")
        require_success(whole)
    raise UpstreamError(f"MLflow responded with {response.status_code} to {route}.")


def _opened(response: httpx.Response, start: int, version: str | None, route: str) -> OpenArtifact:
    """What a response sends of a file. Raises UpstreamError for another range than requested."""
    length = response.headers.get("content-length")
    size = int(length) if length is not None else None
    found = _strong_etag(response)
    if response.status_code == httpx.codes.OK:
        return OpenArtifact(size, 0, found, response.aiter_raw())
    numbers = _RANGE.fullmatch(response.headers.get("content-range", ""))
    first, last, whole = map(int, numbers.groups()) if numbers is not None else (-1, -1, -1)
    is_rest = (first, last) == (start, whole - 1) and size in (None, whole - start)
    if not is_rest or version not in (None, found):
        raise OtherPartError(f"MLflow's response to {route} is not the part that was requested.")
    return OpenArtifact(whole, start, found, response.aiter_raw())


def _strong_etag(response: httpx.Response) -> str | None:
    """The ETag, if equal ones mean equal content (RFC 9110, section 8.8.1)."""
    etags = response.headers.get_list("etag")
    is_strong = len(etags) == 1 and _STRONG.fullmatch(etags[0]) is not None
    return str(etags[0]) if is_strong else None


def _parse(body: bytes, place: Place, directory: str, route: str) -> list[Artifact]:
    """The entries of a directory. directory: its path below the root of the artifacts."""

    def entry_or_list(one: dict[str, Any]) -> Artifact | dict[str, Any]:
        return _entry(one, place, directory) if "path" in one else one

    try:
        if strict_json.is_too_deep(body):
            raise ValueError  # noqa: TRY301 - as for any other body
        entries: list[Artifact] = json_in_pieces.loads(body, entry_or_list).get("files", [])
        is_list = all(isinstance(entry, Artifact) for entry in entries)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_list = False
    if not is_list:
        raise UpstreamError(f"MLflow's response to {route} is not a list of files.")
    if len({entry.path for entry in entries}) != len(entries):
        raise UpstreamError(f"MLflow's response to {route} has one path twice.")
    return entries


def _entry(entry: dict[str, Any], place: Place, directory: str) -> Artifact:
    path = str(entry["path"])
    # Otherwise a directory that lists itself or another one would have no end.
    if path.rpartition("/")[0] != directory:
        raise UpstreamError("MLflow lists files of another directory than the one requested.")
    is_directory = bool(entry.get("is_dir"))
    # MLflow writes a 64-bit integer as text.
    size = int(entry["file_size"]) if "file_size" in entry and not is_directory else None
    if size is not None and size < 0:
        raise ValueError
    above = f"{place.path}/" if place.path else ""
    return Artifact(path.removeprefix(above), is_directory, size)
