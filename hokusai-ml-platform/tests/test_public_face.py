"""What the SDK promises by name: a change here is a change for its users."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import hokusai

FACES = {
    "hokusai": {
        "Attestation",
        "ExperimentManager",
        "HokusaiAuth",
        "HokusaiError",
        "ModelRegistry",
        "PerformanceTracker",
        "RegisteredModel",
        "__version__",
    },
    "hokusai.core": {"ModelRegistry"},
    "hokusai.tracking": {"ExperimentManager", "PerformanceTracker"},
    "hokusai.auth": {"HokusaiAuth"},
    "hokusai.api": {"GatewayAPI"},
    "hokusai.client": {"GatewayClient", "derived_key"},
    "hokusai.flavors": {"FLAVORS", "Logged", "flavor_of", "log_model"},
    "hokusai.results": {
        "Attestation",
        "Identity",
        "Lineage",
        "MintRequest",
        "RateLimit",
        "RegisteredModel",
        "Result",
    },
    "hokusai.verify": {
        "Check",
        "DocumentError",
        "LogExport",
        "Report",
        "Result",
        "verify",
        "verify_file",
    },
    "hokusai.errors": {
        "AnswerError",
        "AuthenticationError",
        "BadRequestError",
        "ClaimDisagreesError",
        "ConfigurationError",
        "ConflictError",
        "CredentialError",
        "DocumentError",
        "FlavorWarning",
        "GatewayError",
        "HokusaiError",
        "HokusaiWarning",
        "IdempotencyKeyReusedError",
        "InProgressError",
        "InputError",
        "InsecureConnectionWarning",
        "MetricError",
        "ModelTypeError",
        "NotFoundError",
        "NotMintableError",
        "PermissionDeniedError",
        "RateLimitedError",
        "RegistrationWarning",
        "ServerError",
        "TokenTakenError",
        "UnreachableError",
        "UnsignedAttestationWarning",
        "ValidationError",
    },
}


@pytest.mark.parametrize("module", FACES)
def test_the_public_face_is_as_it_was(module: str) -> None:
    found = importlib.import_module(module)

    assert set(found.__all__) == FACES[module]
    assert all(hasattr(found, name) for name in found.__all__)
    assert list(found.__all__) == sorted(found.__all__)


def test_an_unknown_name_fails_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        hokusai.nothing_of_ours  # noqa: B018 - to read it is the test


def test_the_package_is_typed() -> None:
    assert Path(str(hokusai.__file__)).with_name("py.typed").exists()


def test_the_command_need_not_wait_for_mlflow() -> None:
    program = (
        "import sys, hokusai, hokusai.api, hokusai.credentials; print('mlflow' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
