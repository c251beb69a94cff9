"""Digests and messages of mint requests, as the platform and other people's libraries have them.

vectors/platform.json is the known answer of the Hokusai platform (hokusai-data-pipeline,
tests/unit/eip712/fixtures/mint_request_kav.json at f4c4c38), which it checks against its contract.
"""

import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData
from app.control_plane.minting import mint_request as messages
from app.control_plane.minting.eligibility import require_evidence, require_mintable
from app.control_plane.minting.mint_request import (
    Cost,
    build_mint_request,
    idempotency_key,
    score,
)
from app.control_plane.minting.models import MintRequest
from app.control_plane.minting.platform_message import platform_message
from tests.support import node
from tests.support.programs import finish

HERE = Path(__file__).parent
INTEROP = HERE.parent / "attestations" / "interop"
(VECTOR,) = json.loads((HERE / "vectors" / "platform.json").read_text())["vectors"]


def attested(wire: dict[str, Any]) -> dict[str, Any]:
    """The data of an attestation that says what a message of the platform says."""
    evaluation = wire["evaluation"]
    metric = evaluation["metric_name"]
    values = [evaluation[name] / 10_000 for name in ("baseline_score_bps", "new_score_bps")]
    return {
        "kind": "witnessed",
        "model_id": wire["model_id"],
        "run_id": wire["eval_id"],
        "baseline": {
            "model_id": "hkm_b",
            "run_id": "b",
            "files": files(wire["baseline_commitment"]),
        },
        "files": files(wire["candidate_commitment"]),
        "primary_metric": metric,
        "delta_one": evaluation["effect_size_bps"] / 100,
        "delta": {
            metric: {
                "baseline": values[0],
                "improved": values[1],
                "higher_is_better": True,
                "direction": "known",
            }
        },
        "contributors": [
            {"address": one["wallet_address"], "weight_bps": one["weight_bps"]}
            for one in wire["contributors"]
        ],
        "evaluation": {
            "benchmark": {
                "benchmark_id": wire["benchmark_spec_id"],
                "dataset_hash": wire["dataset_hash"][2:],
                "metric": metric,
                "metric_family": evaluation["metric_family"],
                "higher_is_better": True,
            },
            "baseline": {"sample_size": evaluation["sample_size_baseline"]},
            "improved": {"sample_size": evaluation["sample_size_candidate"]},
            "acceptance": {
                "accepted": True,
                "reason": evaluation["statistical_reason"],
                **{
                    name: evaluation[name]
                    for name in (
                        *("statistical_method", "p_value"),
                        *("ci_low_bps", "ci_high_bps", "effect_size_bps"),
                    )
                },
            },
        },
    }


def files(commitment: str) -> dict[str, Any]:
    return {"evidence": "witnessed", "sha256": "0" * 64, "sha256_merkle_v1": commitment[2:]}


def built(vector: dict[str, Any]) -> TypedData:
    """The mint request that this gateway builds from what a message says."""
    wire = vector["wire_message"]
    data = attested(wire)
    require_mintable(data)
    attestation = wire["attestation_hash"][2:]
    number = int(wire["model_id_uint"])
    return build_mint_request(
        eip712.domain(
            messages.NAME, messages.VERSION, vector["chain_id"], vector["verifying_contract"]
        ),
        attestation,
        data,
        require_evidence(data),
        number,
        idempotency_key(number, attestation),
        Cost(
            wire["evaluation"]["max_cost_usd_micro"],
            wire["evaluation"]["actual_cost_usd_micro"],
        ),
        datetime.fromtimestamp(wire["deadline"], UTC),
    )


def test_the_digest_is_the_platforms() -> None:
    assert f"0x{built(VECTOR).digest().hex()}" == VECTOR["expected_digest"]


def test_the_message_is_the_platforms() -> None:
    wire = json.loads(json.dumps(VECTOR["wire_message"]))
    # A contribution has no id of its own here, and the member is optional.
    for contributor in wire["contributors"]:
        del contributor["submissionId"]
    request = built(VECTOR)
    message = request.message | {"modelId": str(request.message["modelId"])}
    row = MintRequest(
        typed_data=request.as_dict() | {"message": message},
        digest=VECTOR["expected_digest"],
        model_id=wire["model_id"],
        signed_at=datetime.fromisoformat(wire["timestamp"]),
    )
    signatures = [{"signer": "0x", "signature": one} for one in wire["attester_signatures"]]
    found = platform_message(row, signatures, attested(VECTOR["wire_message"]))
    again = platform_message(row, signatures, attested(wire))
    assert found.pop("message_id") == again["message_id"]
    del wire["message_id"]
    assert found == wire


def test_the_hash_of_a_benchmark_is_that_of_its_id() -> None:
    anchors = built(VECTOR).message["payload"]["anchors"]
    assert anchors["benchmarkSpecHash"] == f"0x{keccak(text='spec-single-v1').hex()}"


@pytest.mark.parametrize(
    ("value", "higher_is_better", "expected"),
    [
        (0.88, True, 8800),
        # Halves go to the even neighbour, as the platform rounds them.
        (0.00005, True, 0),
        (0.00015, True, 2),
        (0.50005, True, 5000),
        (0.87655, True, 8766),
        (0.87645, True, 8764),
        (0.876451, True, 8765),
        (0.15, False, 8500),
        (0.99995, False, 0),
        (0.0, True, 0),
        (1.0, True, 10_000),
        (1e-300, True, 0),
    ],
)
def test_scores_are_rounded_half_to_even(
    value: float, higher_is_better: bool, expected: int
) -> None:
    assert score(value, higher_is_better) == expected


def random_vectors(count: int) -> list[dict[str, Any]]:
    """Messages with any values that their types allow, the same in every run."""
    chance = random.Random(20261128)
    ends = [1, 2**53, 2**53 + 1, 2**255, 2**256 - 1]

    def digits(length: int) -> str:
        return "0x" + f"{chance.getrandbits(4 * length):0{length}x}"

    def text() -> str:
        letters = "aZ09_- /:é漢\U0001f600"
        return "m" + "".join(chance.choices(letters, k=chance.randrange(1, 60))).strip()

    def one() -> dict[str, Any]:
        wire = json.loads(json.dumps(VECTOR["wire_message"]))
        wire |= {
            "model_id_uint": str(chance.choice([*ends, chance.getrandbits(256) + 1]) % 2**256 or 1),
            "eval_id": text(),
            "benchmark_spec_id": text(),
            "deadline": chance.randrange(1, 2**33),
            **{
                name: digits(64)
                for name in (
                    *("dataset_hash", "attestation_hash"),
                    *("baseline_commitment", "candidate_commitment"),
                )
            },
        }
        before = chance.randrange(0, 9_900)
        after = chance.randrange(before + 100, 10_001)
        size = chance.choice([1, 1024, 2**53])
        wire["evaluation"] |= {
            "metric_name": text(),
            "baseline_score_bps": before,
            "new_score_bps": after,
            "effect_size_bps": after - before,
            "max_cost_usd_micro": chance.choice(ends[1:4]),
            "actual_cost_usd_micro": chance.getrandbits(60),
            "sample_size_baseline": size,
            "sample_size_candidate": size,
        }
        cuts = sorted(chance.sample(range(1, 10_000), chance.randrange(0, 5)))
        wire["contributors"] = [
            {"wallet_address": digits(40), "weight_bps": end - start}
            for start, end in zip([0, *cuts], [*cuts, 10_000], strict=True)
        ]
        return {
            "chain_id": chance.choice([1, 11155111, 2**63]),
            "verifying_contract": digits(40),
            "wire_message": wire,
        }

    return [one() for _ in range(count)]


def test_eth_account_computes_the_same_digests() -> None:
    for vector in random_vectors(60):
        request = built(vector)
        signable = encode_typed_data(
            domain_data=request.domain,
            message_types=request.types,
            message_data=request.message,
        )
        expected = keccak(b"\x19" + signable.version + signable.header + signable.body)
        assert request.digest() == expected


def test_viem_and_ethers_compute_the_same_digests(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    requests = [built(vector) for vector in (VECTOR, *random_vectors(200))]
    directory = node.installed(INTEROP, tmp_path_factory)
    found = digests_by_viem_and_ethers(directory, [request.as_dict() for request in requests])
    assert found == [[f"0x{request.digest().hex()}"] * 2 for request in requests]
    assert len({digest for digest, _ in found}) == len(requests)


def digests_by_viem_and_ethers(directory: Path, typed_data: list[dict[str, Any]]) -> Any:
    """For each of the typed data, the digest that viem computes and the one that ethers does.

    directory: that of `INTEROP`, with its packages.
    """
    done = finish(
        ["node", "mint_digests.js"],
        directory,
        {"PATH": os.environ["PATH"]},
        stdin=json.dumps(_numbers_as_text(typed_data)),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _numbers_as_text(value: Any) -> Any:
    """JavaScript would round large numbers."""
    if isinstance(value, dict):
        return {name: _numbers_as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(item) for item in value]
    return str(value) if isinstance(value, int) else value
