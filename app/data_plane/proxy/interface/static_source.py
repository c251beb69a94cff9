"""Where the files of MLflow's web interface come from: MLflow's package, or MLflow itself."""

import asyncio
import json
import re
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from app.core.errors import UpstreamError
from app.data_plane.proxy.interface.script import SCRIPT
from app.mlflow.client import MLflowClient

# Where webpack puts the list of all files, and how it writes their names there.
LIST = "asset-manifest.json"
LIST_PREFIX = "/static-files/"
# Files that the list does not name; and the page, which is at another address.
UNLISTED = frozenset({"favicon.ico", "manifest.json"})
PAGE = "index.html"
# Seconds after which the list is fetched again for a name that is not in it: MLflow may have been
# replaced by another version.
LIST_AGE = 10.0
# In the name of a file, the hash of its content.
_HASH = re.compile(r"\.[0-9a-f]{8,}\.")


def is_hashed(name: str) -> bool:
    """Whether the name of a file changes with its content."""
    return _HASH.search(name) is not None


class StaticSource:
    """Finds files by their names below static-files/.

    A name with a hash has the same content wherever it is found, so that such a file is read from
    the package if MLflow is installed beside the gateway, whatever version serves upstream. Only
    names that MLflow lists are fetched from it: who requests others makes no work there.
    """

    def __init__(self, mlflow: MLflowClient) -> None:
        self._mlflow = mlflow
        self._listed: frozenset[str] = frozenset()
        self._list_time = -LIST_AGE
        self._failure: UpstreamError | None = None
        self._fetching = asyncio.Lock()

    async def has(self, name: str) -> bool:
        """Whether there is such a file. Raises UpstreamError where MLflow does not respond."""
        if name == SCRIPT.name or name in await asyncio.to_thread(_packaged):
            return True
        if name not in self._listed:
            async with self._fetching:
                await self._fetch_list()
            if self._failure is not None:
                raise self._failure
        return name in self._listed

    async def read(self, name: str) -> bytes | None:
        """The content of a file that there is; None if it has gone. Raises UpstreamError."""
        if name == SCRIPT.name:
            return SCRIPT.content
        path = _packaged().get(name)
        if path is not None:
            return await asyncio.to_thread(path.read_bytes)
        return await self._mlflow.static_file(name)

    async def _fetch_list(self) -> None:
        now = time.monotonic()
        if now - self._list_time < LIST_AGE:
            return
        self._list_time = now
        try:
            content = await self._mlflow.static_file(LIST)
        except UpstreamError as error:
            self._failure = error
        else:
            self._failure = None
            self._listed = UNLISTED | _names(content or b"{}") - {PAGE}


def _names(content: bytes) -> frozenset[str]:
    """The names in MLflow's list of files."""
    try:
        listed = json.loads(content)["files"].values()
    except (ValueError, KeyError, TypeError, AttributeError):
        return frozenset()
    return frozenset(
        name.removeprefix(LIST_PREFIX)
        for name in listed
        if isinstance(name, str) and ".." not in name
    )


@cache
def _packaged() -> dict[str, Path]:
    """The files with a hash in their names of the MLflow that is installed here, if one is."""
    found = find_spec("mlflow")
    roots = found.submodule_search_locations if found is not None else None
    if not roots:
        return {}
    directory = Path(roots[0]) / "server" / "js" / "build"
    paths = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*.*")}
    return {name: path for name, path in paths.items() if is_hashed(name)}
