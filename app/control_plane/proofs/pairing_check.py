"""Checks one proof with py_ecc, in a process of its own: standard input has it as JSON.

It is run as a script, so that it needs neither the application nor its settings. The exit status
is 0 where the proof holds, and `REFUSED` where it does not; Python itself ends with 1 where it
fails, for example for want of memory. It keeps to limits of its own on processor time and memory,
whatever the points are.
"""

import json
import resource
import sys
from typing import Any

import py_ecc.optimized_bn128

# Half typed, and without a list of what it exports.
bn: Any = py_ecc.optimized_bn128

# A proof takes less than a second of one processor.
CPU_SECONDS = 20
MEMORY = 1 << 30

REFUSED = 10

Q, R = bn.field_modulus, bn.curve_order


class _RefusedError(Exception):
    """The proof is not one, or does not hold."""


def holds(key: dict[str, Any], public: list[str], proof: dict[str, Any]) -> bool:
    """Whether a proof holds: the equation of Groth16 (eprint 2016/260)."""
    inputs = [_number(text, R) for text in public]
    if len(inputs) != len(key["IC"]) - 1:
        raise _RefusedError
    a, b, c = _g1(proof["pi_a"]), _g2(proof["pi_b"]), _g1(proof["pi_c"])
    total = _g1(key["IC"][0])
    for value, point in zip(inputs, key["IC"][1:], strict=True):
        total = bn.add(total, bn.multiply(_g1(point), value))
    product = (
        _pairing(b, a)
        * _pairing(_g2(key["vk_beta_2"]), bn.neg(_g1(key["vk_alpha_1"])))
        * _pairing(_g2(key["vk_gamma_2"]), bn.neg(total))
        * _pairing(_g2(key["vk_delta_2"]), bn.neg(c))
    )
    return bool(bn.final_exponentiate(product) == bn.FQ12.one())


def _pairing(q: Any, p: Any) -> Any:
    return bn.pairing(q, p, final_exponentiate=False)


def _number(text: str, limit: int) -> int:
    if not (text.isascii() and text.isdigit()) or str(int(text)) != text or int(text) >= limit:
        raise _RefusedError
    return int(text)


def _g1(written: list[str]) -> Any:
    x, y, z = written
    point = bn.FQ(_number(x, Q)), bn.FQ(_number(y, Q)), bn.FQ(1)
    if z != "1" or not bn.is_on_curve(point, bn.b):
        raise _RefusedError
    return point


def _g2(written: list[list[str]]) -> Any:
    x, y, z = written
    coordinates = [bn.FQ2([_number(part, Q) for part in pair]) for pair in (x, y)]
    point = coordinates[0], coordinates[1], bn.FQ2.one()
    if z != ["1", "0"] or not bn.is_on_curve(point, bn.b2):
        raise _RefusedError
    if not bn.is_inf(bn.multiply(point, R)):
        # Of the curve, but not of the subgroup.
        raise _RefusedError
    return point


def main() -> int:
    """Check what standard input has."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    asked = json.load(sys.stdin)
    try:
        return 0 if holds(asked["key"], asked["public"], asked["proof"]) else REFUSED
    except (_RefusedError, KeyError, TypeError, ValueError):
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
