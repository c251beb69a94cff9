"""Where a gateway is: one URL, whichever of its forms a user has at hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Mapping
from urllib.parse import urlsplit

from hokusai.errors import ConfigurationError

# The first of these that is set is the default; all name the gateway.
VARIABLES = ("HOKUSAI_URL", "HOKUSAI_API_ENDPOINT", "MLFLOW_TRACKING_URI")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class GatewayURL:
    """The address of one gateway.

    origin: scheme, host and port, `https://registry.hokus.ai:443`; credentials are kept by it.
    api: `https://registry.hokus.ai/api`, what paths of Hokusai's own API are appended to.
    tracking: `https://registry.hokus.ai/api/mlflow`, MLflow's tracking and registry URI.
    """

    origin: str
    api: str
    tracking: str

    @classmethod
    def parse(cls, url: str) -> GatewayURL:
        """From the gateway's root, its `/api` or its `/api/mlflow`.

        Raises ConfigurationError for what is no URL of a gateway, and for a URL that carries a
        credential, since URLs end in logs.
        """
        parts = urlsplit(url.strip())
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError(
                "The gateway's URL has to look like https://registry.hokus.ai/api/mlflow. A local "
                "store such as ./mlruns cannot take its place."
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError(
                "The gateway's URL must not carry a credential. Give it as api_key, or in "
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
                f"The gateway's URL ends in /api/mlflow or /api, not in {parts.path}."
            )
        root = f"{parts.scheme}://{parts.netloc.lower()}"
        return cls(origin=origin_of(url), api=root + path, tracking=f"{root}{path}/mlflow")

    @classmethod
    def resolve(
        cls, url: str | None = None, environment: Mapping[str, str] | None = None
    ) -> GatewayURL:
        """The given one, or else that of the environment (`VARIABLES`).

        Raises ConfigurationError when neither is there.
        """
        if url is not None:
            return cls.parse(url)
        variables = os.environ if environment is None else environment
        for name in VARIABLES:
            found = variables.get(name, "").strip()
            # MLflow's variable may name a store of another kind, which is no gateway.
            if found and (
                name != "MLFLOW_TRACKING_URI" or found.startswith(("http://", "https://"))
            ):
                return cls.parse(found)
        raise ConfigurationError(
            "No gateway is named. Pass its URL, such as https://registry.hokus.ai/api/mlflow, or "
            "set HOKUSAI_URL."
        )


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, with the default port written out.

    Raises ConfigurationError for a port that is no number.
    """
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").lower()
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        raise ConfigurationError("The gateway's URL has a port that is no number.") from None
    return f"{parts.scheme}://[{host}]:{port}" if ":" in host else f"{parts.scheme}://{host}:{port}"
