"""A contract that checks the proofs of one circuit, by the precompiles of EIP-196 and EIP-197.

The precompiles themselves refuse coordinates that are not reduced, points off the curve and points
outside the subgroup; the contract refuses the point at infinity and public inputs that are not
reduced, so that it accepts exactly what `groth16.verify` accepts.
"""

from __future__ import annotations

from hokusai.zk import g2, groth16, points
from hokusai.zk.field import R
from hokusai.zk.keys import VerifyingKey

_TEMPLATE = """\
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Checks proofs of the circuit {circuit}:
/// {statement}, up to {capacity} rows, setup by {setup}.
contract HokusaiVerifier {{
    bytes32 public constant CIRCUIT = 0x{circuit};
    uint256 private constant R = {order};

    /// @param proof A (x, y), B (x and y, each with its imaginary part first) and C (x, y).
    /// @param input The public inputs, in the order of the statement.
    /// @return Whether the proof holds. It identifies nothing: anybody can change a valid proof
    /// into another one of the same public inputs.
    function verify(uint256[8] calldata proof, uint256[{inputs}] calldata input)
        external
        view
        returns (bool)
    {{
        if (proof[0] | proof[1] == 0 || proof[6] | proof[7] == 0) return false;
        if (proof[2] | proof[3] | proof[4] | proof[5] == 0) return false;
        uint256[{constants}] memory points = [
            {points}
        ];
        // A product of a point and an input, and the sum so far: what the addition reads.
        uint256[4] memory terms = [uint256(0), 0, {first}];
        bool ok = true;
        for (uint256 i = 0; i < {inputs}; i++) {{
            if (input[i] >= R) return false;
            uint256[3] memory factors = [points[2 * i], points[2 * i + 1], input[i]];
            assembly {{
                ok := and(ok, staticcall(gas(), 7, factors, 96, terms, 64))
                ok := and(ok, staticcall(gas(), 6, terms, 128, add(terms, 64), 64))
            }}
        }}
        // e(A, B) * e(alpha, -beta) * e(sum, -gamma) * e(C, -delta) = 1
        uint256[24] memory pairs = [
            proof[0], proof[1], proof[2], proof[3], proof[4], proof[5],
            {alpha}, {beta},
            terms[2], terms[3], {gamma},
            proof[6], proof[7], {delta}
        ];
        uint256[1] memory result;
        assembly {{
            ok := and(ok, staticcall(gas(), 8, pairs, 768, result, 32))
        }}
        return ok && result[0] == 1;
    }}
}}
"""


def contract(key: VerifyingKey) -> str:
    """The source of the contract for a verifying key."""
    first, *others = (_list(points.encode1(point)) for point in key.inputs)
    beta, gamma, delta = (
        _list(points.encode2(g2.negate(point))) for point in (key.beta, key.gamma, key.delta)
    )
    return _TEMPLATE.format(
        circuit=key.circuit,
        statement=key.statement,
        capacity=key.capacity,
        setup=key.setup,
        order=R,
        inputs=len(others),
        constants=2 * len(others),
        # The type of an array is that of its first element.
        points="uint256(" + ",\n            ".join(others).replace(",", "),", 1),
        first=first,
        alpha=_list(points.encode1(key.alpha)),
        beta=beta,
        gamma=gamma,
        delta=delta,
    )


def arguments(proof: groth16.Points) -> list[int]:
    """The argument `proof` of the contract's function."""
    a, b, c = points.encode1(proof.a), points.encode2(proof.b), points.encode1(proof.c)
    return _numbers(a + b + c)


def _list(content: bytes) -> str:
    return ", ".join(map(str, _numbers(content)))


def _numbers(content: bytes) -> list[int]:
    return [int.from_bytes(content[i : i + 32], "big") for i in range(0, len(content), 32)]
