"""The URL of a gateway, in any of the forms that a user may have at hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Mapping
from urllib.parse import urlsplit

from hokusai.errors import ConfigurationError

# Environment variables that name the gateway; the first one that is set is used.
VARIABLES = ("HOKUSAI_URL", "HOKUSAI_API_ENDPOINT", "MLFLOW_TRACKING_URI")
_DEFAULT_PORTS = {"http": 80, "https": 443}


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
        """Parse the argument, or else the first of `VARIABLES` that names a gateway.

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
        raise ConfigurationError(
            "There is no gateway URL. Pass one, such as https://registry.hokus.ai/api/mlflow, or "
            "set HOKUSAI_URL."
        )


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
