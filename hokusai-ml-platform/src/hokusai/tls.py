"""How TLS certificates are checked: by the same variables as those of the MLflow client."""

from __future__ import annotations

import os
from typing import Mapping, Union

from hokusai.errors import ConfigurationError

INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
SERVER_CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH"
CLIENT_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"

# As `requests` takes it: whether to verify, or the file of the certificates to trust.
Verify = Union[bool, str, None]


def tls_options(environment: Mapping[str, str] | None = None) -> tuple[Verify, str | None]:
    """Return what `requests` needs to verify the gateway, and the caller's own certificate.

    The first is None where no variable is set: then `requests` decides, also by
    `REQUESTS_CA_BUNDLE`.

    Args:
        environment: The environment variables; those of the process by default.

    Raises:
        ConfigurationError: The variables contradict each other, or name a file that is missing.
    """
    variables = os.environ if environment is None else environment
    insecure = variables.get(INSECURE, "").strip().lower() in ("true", "1")
    server = variables.get(SERVER_CERTIFICATE, "").strip()
    client = variables.get(CLIENT_CERTIFICATE, "").strip()
    if insecure and server:
        raise ConfigurationError(f"Set only one of {INSECURE} and {SERVER_CERTIFICATE}.")
    for name, path in ((SERVER_CERTIFICATE, server), (CLIENT_CERTIFICATE, client)):
        if path and not os.path.exists(path):
            raise ConfigurationError(f"{name} names {path}, which does not exist.")
    return False if insecure else server or None, client or None
