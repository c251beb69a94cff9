"""The URL of a gateway, in any of the forms that a user may have at hand."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Mapping
from urllib.parse import urlsplit

from hokusai.errors import ConfigurationError
from hokusai.private_files import private_path, write_private_json

# Environment variables that name the gateway; the first one that is set is used.
VARIABLES = ("HOKUSAI_URL", "HOKUSAI_API_ENDPOINT", "MLFLOW_TRACKING_URI")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What is meant as a URL and lacks its scheme, such as localhost:8000.
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d{1,5}(?:/.*)?")


@dataclass(frozen=True)
class GatewayURL:
    """The parts of one gateway's URL.

    Attributes:
        origin: Scheme, host and port, such as `https://registry.hokus.ai:443`. Credentials are
            stored by origin.
        api: The base of Hokusai's own API, such as `https://registry.hokus.ai/api`.
        tracking: MLflow's tracking and registry URI, such as
            `https://registry.hokus.ai/api/mlflow`.
    """

    origin: str
    api: str
    tracking: str

    @classmethod
    def parse(cls, url: str) -> GatewayURL:
        """Parse a URL.

        Args:
            url: The gateway's root, its `/api` or its `/api/mlflow`.

        Raises:
            ConfigurationError: This is not a valid gateway URL, or it contains a credential.
                The latter is rejected because URLs are written to logs.
        """
        parts = urlsplit(url.strip())
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            if _HOST_AND_PORT.fullmatch(url.strip()):
                raise ConfigurationError(
                    "The gateway's URL must begin with https://, or http:// on your own machine."
                )
            raise ConfigurationError(
                "The gateway's URL must look like https://registry.hokus.ai/api/mlflow. A local "
                "MLflow store such as ./mlruns cannot be used in its place."
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError(
                "The gateway's URL must not contain a credential. Pass it as api_key, or set "
                "MLFLOW_TRACKING_TOKEN."
            )
        if parts.query or parts.fragment:
            raise ConfigurationError("The gateway's URL must have neither a query nor a fragment.")
        path = parts.path.rstrip("/")
        if path.endswith("/api/mlflow"):
            path = path[: -len("/mlflow")]
        elif not path:
            path = "/api"
        elif not path.endswith("/api"):
            raise ConfigurationError(
                f"The gateway's URL must end in /api/mlflow or /api, not in {parts.path}."
            )
        root = f"{parts.scheme}://{parts.netloc.lower()}"
        return cls(origin=origin_of(url), api=root + path, tracking=f"{root}{path}/mlflow")

    @classmethod
    def resolve(
        cls, url: str | None = None, environment: Mapping[str, str] | None = None
    ) -> GatewayURL:
        """Parse the argument, or the first of `VARIABLES` that names a gateway.

        Without either it is the gateway of the last `hokusai login`.

        Args:
            url: The URL, if the caller has one.
            environment: The environment variables; those of the process by default.

        Raises:
            ConfigurationError: No URL was found, or the one found is not valid.
        """
        if url is not None:
            return cls.parse(url)
        variables = os.environ if environment is None else environment
        for name in VARIABLES:
            value = variables.get(name, "").strip()
            # MLflow's variable may name a store of another kind, such as a directory.
            if value and (
                name != "MLFLOW_TRACKING_URI" or value.startswith(("http://", "https://"))
            ):
                return cls.parse(value)
        remembered = remembered_url(environment)
        if remembered is not None:
            return cls.parse(remembered)
        raise ConfigurationError(
            "There is no gateway URL. Pass one, such as https://registry.hokus.ai/api/mlflow, set "
            "HOKUSAI_URL, or run `hokusai login --url URL`, which remembers it."
        )


def remember_url(url: str | None, environment: Mapping[str, str] | None = None) -> None:
    """Store the URL of the gateway to use where none is named; None for none.

    Args:
        url: The URL.
        environment: The environment variables; those of the process by default.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    path = private_path("gateway.json", environment)
    if path is None:
        raise ConfigurationError("There is no home directory to remember the gateway in.")
    try:
        write_private_json(path, {"url": url})
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None


def remembered_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the URL that `remember_url` stored; None where the file is missing or damaged."""
    path = private_path("gateway.json", environment)
    try:
        document = json.loads(path.read_text("utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return None
    url = document.get("url") if isinstance(document, dict) else None
    return url if isinstance(url, str) else None


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL, with the default port written out.

    Raises:
        ConfigurationError: The port is not a valid number.
    """
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").lower()
    try:
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        raise ConfigurationError("The gateway's URL has a port that is not a number.") from None
    return f"{parts.scheme}://[{host}]:{port}" if ":" in host else f"{parts.scheme}://{host}:{port}"
