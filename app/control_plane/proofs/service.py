"""What a proof says of an improvement on a benchmark, compared with what is already known."""

from collections.abc import Mapping
from typing import Any

from app.control_plane.proofs.binding import binding_of, bound_parts
from app.control_plane.proofs.checker import ProofChecker
from app.control_plane.proofs.circuits import Circuit, Circuits
from app.control_plane.proofs.schemas import ProofRequest
from app.control_plane.proofs.statements import PUBLIC_INPUTS, SHARED, evaluation_of
from app.control_plane.registry.evaluation import EvaluationRequest
from app.core.errors import ProofRefusedError


class Proofs:
    """Reads and checks proofs; one for the process."""

    def __init__(self, circuits: Circuits, checker: ProofChecker) -> None:
        self._circuits = circuits
        self._checker = checker

    async def evaluation(self, proof: ProofRequest, metric: str) -> EvaluationRequest:
        """The counts of a metric that a proof shows, before it is checked.

        Raises ProofRefusedError for a circuit that is not known, and for another metric.
        """
        circuit = await self._circuits.find(proof.circuit)
        return evaluation_of(circuit.statement, list(_public(circuit, proof).values()), metric)

    async def require(
        self, tenant: str, proof: ProofRequest, data: Mapping[str, Any], chain_id: int
    ) -> dict[str, Any]:
        """The proof as an attestation has it, where it holds for the attested data.

        What is cheap to compare is compared first. Raises ProofRefusedError and GatewayBusyError.
        """
        circuit = await self._circuits.find(proof.circuit)
        public = _public(circuit, proof)
        evaluation = data["evaluation"]
        benchmark, predictions = evaluation["benchmark"], evaluation["predictions"]
        parts = bound_parts(data, chain_id)
        expected = {
            "rows": benchmark["rows"],
            "labels": int(benchmark["label_commitment"], 16),
            "baseline": int(predictions["baseline"]["commitment"], 16),
            "improved": int(predictions["improved"]["commitment"], 16),
            "binding": binding_of(parts),
        }
        for name, value in expected.items():
            if public[name] != value:
                raise ProofRefusedError(
                    f"The public input {name} of the proof is {public[name]}, and must be {value}: "
                    f"{_REASONS[name]}.",
                    extra={"expected": {name: str(value) for name, value in expected.items()}}
                    | ({"bound_to": parts} if name == "binding" else {}),
                )
        await self._checker.require(tenant, circuit, proof)
        return {**proof.model_dump(mode="json"), "verifying_key": dict(circuit.document)}


_REASONS = {
    "rows": "the rows of the benchmark",
    "labels": "the benchmark's commitment to its labels",
    "baseline": "the commitment to the predictions of the baseline",
    "improved": "the commitment to the predictions of the improved model",
    "binding": "the hash of what is attested. Bind the proof to what is in `bound_to`",
}


def _public(circuit: Circuit, proof: ProofRequest) -> dict[str, int]:
    """The public inputs by name. Raises ProofRefusedError."""
    if (proof.statement, proof.setup) != (circuit.statement, circuit.setup):
        raise ProofRefusedError(
            f"The circuit {circuit.circuit} has the statement {circuit.statement} and the setup "
            f"{circuit.setup}."
        )
    names = PUBLIC_INPUTS[circuit.statement]
    if len(proof.public) != len(names):
        raise ProofRefusedError(f"A proof of {circuit.statement} has {len(names)} public inputs.")
    public = dict(zip(names, map(int, proof.public), strict=True))
    counts = list(public.values())[: -len(SHARED)]
    if not 0 < public["rows"] <= circuit.capacity or sum(counts) != public["rows"]:
        raise ProofRefusedError(
            "The counts of the proof do not add up to its rows, or it has more than the "
            f"{circuit.capacity} that the circuit takes."
        )
    return public
