"""`@sigstore/verify` from npm checks bundles, and refuses those that were changed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.control_plane.envelopes.test_bundle import bundle_of, other_key
from tests.control_plane.envelopes.test_model_signature import registered, signature_of
from tests.support import envelopes, node
from tests.support.gateway import RunningGateway
from tests.support.programs import finish
from tests.support.responses import good
from tests.support.training import Training

HERE = Path(__file__).parent / "sigstore"


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked packages."""
    return node.installed(HERE, tmp_path_factory)


def test_it_accepts_a_bundle_and_refuses_changed_ones(
    sigstore: Path, trainer: Training, attestation: dict[str, Any], pem: str
) -> None:
    bundle = good(bundle_of(trainer.client, attestation["hash"]))
    cases = [
        {"bundle": bundle, "key": pem},
        {"bundle": envelopes.changed(bundle), "key": pem},
        {"bundle": bundle, "key": other_key()},
    ]
    assert verdicts(sigstore, cases) == ["ok", "SIGNATURE_ERROR", "SIGNATURE_ERROR"]


def test_it_accepts_the_signature_of_a_model(
    sigstore: Path, gateway: RunningGateway, pem: str
) -> None:
    with Training.of(gateway) as training:
        model_id = registered(training)["model_id"]
        bundle = good(signature_of(training.client, model_id))
    cases = [{"bundle": bundle, "key": pem}, {"bundle": envelopes.changed(bundle), "key": pem}]
    assert verdicts(sigstore, cases) == ["ok", "SIGNATURE_ERROR"]


def verdicts(directory: Path, cases: list[dict[str, Any]]) -> list[str]:
    """What the package says of each case."""
    variables = {"PATH": os.environ["PATH"]}
    done = finish(["node", "verify.js"], directory, variables, stdin=json.dumps(cases))
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found
