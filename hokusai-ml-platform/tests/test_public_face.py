"""The public names of the SDK. They are written out here again, so that no change is accidental."""

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
        "setup",
    },
    "hokusai.core": {"ModelRegistry", "setup"},
    "hokusai.tracking": {"ExperimentManager", "PerformanceTracker"},
    "hokusai.auth": {"HokusaiAuth"},
    "hokusai.api": {"GatewayAPI"},
    "hokusai.client": {"GatewayClient", "derived_key"},
    "hokusai.flavors": {"FLAVORS", "Logged", "flavor_of", "log_model"},
    "hokusai.proofs": {"Committed", "Proving", "commit_labels", "commit_predictions"},
    "hokusai.results": {
        "Attestation",
        "Benchmark",
        "Identity",
        "Key",
        "Lineage",
        "MintApproval",
        "MintRequest",
        "ModelFiles",
        "PredictionCommitment",
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
        "verify_model_signature",
    },
    "hokusai.errors": {
        "ResponseError",
        "AuthenticationError",
        "BadRequestError",
        "ClaimDisagreesError",
        "ConfigurationError",
        "ConflictError",
        "CredentialError",
        "DocumentError",
        "DownloadError",
        "FilesPendingError",
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
        "ProofError",
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
def test_a_module_has_exactly_its_public_names(module: str) -> None:
    imported = importlib.import_module(module)

    assert set(imported.__all__) == FACES[module]
    assert all(hasattr(imported, name) for name in imported.__all__)
    assert list(imported.__all__) == sorted(imported.__all__)
    assert FACES[module] <= set(dir(imported))


def test_an_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="unknown_name"):
        hokusai.unknown_name  # noqa: B018 - reading it is the test


def test_the_package_is_typed() -> None:
    assert Path(str(hokusai.__file__)).with_name("py.typed").exists()


def test_importing_the_api_does_not_import_mlflow() -> None:
    program = (
        "import sys, hokusai, hokusai.api, hokusai.credentials; print('mlflow' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"


def test_the_version_is_that_of_the_distribution() -> None:
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")

    assert f'\nversion = "{hokusai.__version__}"\n' in project
