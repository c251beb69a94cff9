"""The setup of a circuit by one party: a proving key and its verifying key.

The numbers drawn here would allow forging proofs, and are forgotten at once: those who check
proofs trust the party that it did so. `make zk-ceremony` runs a setup by several parties, of which
one honest one suffices.
"""

from __future__ import annotations

import secrets
from typing import Callable

from hokusai.zk import g1, g2
from hokusai.zk.constraints import ConstraintSystem
from hokusai.zk.field import R, root_of_unity
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.multiples import multiples_of
from hokusai.zk.polynomials import lagrange, powers
from hokusai.zk.statements import Statement
from hokusai.zk.zkey import ProvingKey, rows


def setup(statement: Statement, capacity: int) -> tuple[ProvingKey, VerifyingKey]:
    """Make the keys of a circuit, in pure Python: some ten seconds for 1,024 rows."""
    key = setup_system(statement.blank(capacity))
    return key, verifying_key(key, statement.name, capacity, "operator")


def verifying_key(key: ProvingKey, statement: str, capacity: int, origin: str) -> VerifyingKey:
    """The verifying key that belongs to a proving key."""
    return VerifyingKey(
        statement,
        capacity,
        origin,
        key.alpha1,
        key.beta2,
        key.gamma2,
        key.delta2,
        tuple(key.inputs),
    )


def setup_system(
    system: ConstraintSystem, draw: Callable[[], int] = lambda: secrets.randbelow(R - 1) + 1
) -> ProvingKey:
    """Make the proving key of any constraint system.

    Args:
        system: The constraints.
        draw: Draws a secret scalar that is not zero.
    """
    sides = rows(system)
    size = 1 << max(1, (len(sides) - 1).bit_length())
    tau, alpha, beta, gamma, delta = (draw() for _ in range(5))
    # At tau, each wire's polynomials on the left, the right and in the output.
    at_tau = lagrange(powers(root_of_unity(size), size), size, tau)
    wires, public = len(system.wires), system.public
    left, right, output = [0] * wires, [0] * wires, [0] * wires
    for (on_left, on_right), value in zip(sides, at_tau):
        for column, linear in ((left, on_left), (right, on_right)):
            for wire, factor in linear.items():
                column[wire] += factor * value
    for constraint, value in zip(system.constraints, at_tau):
        for wire, factor in constraint.output.items():
            output[wire] += factor * value
    combined = [(beta * a + alpha * b + c) % R for a, b, c in zip(left, right, output)]
    left, right = [a % R for a in left], [b % R for b in right]
    per_gamma, per_delta = pow(gamma, -1, R), pow(delta, -1, R)
    between = powers(root_of_unity(size), size, root_of_unity(2 * size))
    scalars = [
        *[alpha, beta, delta],
        *[value * per_gamma % R for value in combined[: public + 1]],
        *left,
        *right,
        *[value * per_delta % R for value in combined[public + 1 :]],
        *[value * per_delta % R for value in lagrange(between, 2 * size, tau)],
    ]
    made = iter(multiples_of(g1, g1.GENERATOR, scalars))

    def take(count: int) -> list[g1.Point]:
        return [next(made) for _ in range(count)]

    alpha1, beta1, delta1 = take(3)
    beta2, gamma2, delta2, *b2 = multiples_of(g2, g2.GENERATOR, [beta, gamma, delta, *right])
    return ProvingKey(
        domain=size,
        wires=wires,
        public=public,
        alpha1=alpha1,
        beta1=beta1,
        beta2=beta2,
        gamma2=gamma2,
        delta1=delta1,
        delta2=delta2,
        inputs=take(public + 1),
        a=take(wires),
        b1=take(wires),
        b2=b2,
        c=take(wires - public - 1),
        h=take(size),
    )
