"""Other people's packages verify our attestations: ethers, viem, and EAS's SDK."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import node
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket, mint
from tests.support.responses import good

HERE = Path(__file__).parent / "interop"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The locked packages, installed unless they are there already."""
    node.installed(HERE, tmp_path_factory)


@pytest.fixture(scope="module")
def verdict(
    packages: None, gateway: RunningGateway, anyone: httpx.Client, attestation: dict[str, Any]
) -> dict[str, Any]:
    with TokenMarket(gateway) as market:
        mint_request = good(mint(market.holder, market.attested(market.holder)))
    documents = {
        "attestation": attestation,
        "known": good(anyone.get("/.well-known/hokusai-attestor.json")),
        "mint": mint_request,
    }
    done = subprocess.run(
        ["node", "verify.js"],
        cwd=HERE,
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"documents": documents}


def test_ethers_and_viem_recover_the_signer(
    verdict: dict[str, Any], attestation: dict[str, Any]
) -> None:
    signer = attestation["signature"]["signer"]
    assert (verdict["ethers"], verdict["viem"]) == (signer, signer)


def test_javascript_computes_the_hash_and_parses_the_bytes(
    verdict: dict[str, Any], attestation: dict[str, Any]
) -> None:
    assert verdict["hash"] == attestation["hash"]
    assert verdict["data"]


def test_the_sdk_of_eas_accepts_the_envelope_and_refuses_a_changed_one(
    verdict: dict[str, Any], attestation: dict[str, Any]
) -> None:
    assert verdict["eas"] is True
    assert verdict["easTampered"] is False
    assert verdict["easUID"]
    assert verdict["easSchema"] == attestation["eas"]["sig"]["message"]["schema"]
    assert verdict["easData"] == [f"0x{attestation['hash']}", "witnessed"]


def test_ethers_and_viem_recover_the_signer_of_a_mint_request(verdict: dict[str, Any]) -> None:
    mint = verdict["documents"]["mint"]
    assert verdict["mintDigest"] == mint["digest"]
    assert [verdict["mintEthers"]] == [verdict["mintViem"]] == mint["signers"]
