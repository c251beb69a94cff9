// Groth16 over BN254: reading keys and proofs, of which each has one form, and checking one.
import { bn254 } from "@noble/curves/bn254.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { DocumentError } from "./errors.js";
import { concat, hex, unhex, utf8 } from "./text.js";

const { Fp2, Fp12 } = bn254.fields;
const Q = bn254.fields.Fp.ORDER;
export const R = bn254.fields.Fr.ORDER;
const DECIMAL = /^(?:0|[1-9][0-9]{0,77})$/;
const SETUP = /^(?:operator|ceremony:[0-9a-f]{64})$/;
const SHARED = ["rows", "labels", "baseline", "improved", "binding"];
/** The public inputs of each statement, in their order. */
export const PUBLIC_INPUTS = new Map([
  [
    "cells",
    [
      ...Array.from({ length: 8 }, (_, n) => `label${n >> 2}_baseline${(n >> 1) & 1}_improved${n & 1}`),
      ...SHARED,
    ],
  ],
  ["agreement", ["both", "only_baseline", "only_improved", "neither", ...SHARED]],
]);

function number(value, name, limit) {
  if (typeof value !== "string" || !DECIMAL.test(value) || BigInt(value) >= limit) {
    throw new DocumentError(`${name} is not a decimal number below the modulus, as a text.`);
  }
  return BigInt(value);
}

const isPair = (value) => Array.isArray(value) && value.length === 2;
const isTriple = (value) => Array.isArray(value) && value.length === 3;

/** A point of G1. Throws DocumentError, as the others here do. */
function g1(value, name) {
  if (!isTriple(value) || value[2] !== "1") throw new DocumentError(`${name} is not a point: two coordinates and 1.`);
  const [x, y] = [number(value[0], name, Q), number(value[1], name, Q)];
  try {
    const point = bn254.G1.Point.fromAffine({ x, y });
    point.assertValidity();
    return point;
  } catch {
    throw new DocumentError(`${name} is not a point of the curve.`);
  }
}

/** A point of G2, which must be in the subgroup. */
function g2(value, name) {
  const message = `${name} is not a point: two pairs of coordinates and 1, 0.`;
  if (!isTriple(value) || !isPair(value[2]) || value[2][0] !== "1" || value[2][1] !== "0") {
    throw new DocumentError(message);
  }
  const [x, y] = value.slice(0, 2).map((pair) => {
    if (!isPair(pair)) throw new DocumentError(message);
    return Fp2.fromBigTuple(pair.map((part) => number(part, name, Q)));
  });
  const left = Fp2.sqr(y);
  const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), bn254.G2.Point.CURVE().b);
  if (!Fp2.eql(left, right)) throw new DocumentError(`${name} is not a point of the curve.`);
  const point = bn254.G2.Point.fromAffine({ x, y });
  if (!point.isTorsionFree()) throw new DocumentError(`${name} is not in the subgroup of G2.`);
  return point;
}

const bytes = (value) => value.toString(16).padStart(64, "0");
const encoded1 = (point) => {
  const { x, y } = point.toAffine();
  return bytes(x) + bytes(y);
};
// The imaginary part comes first in EIP-197.
const encoded2 = (point) => {
  const { x, y } = point.toAffine();
  return [x.c1, x.c0, y.c1, y.c0].map(bytes).join("");
};

const KEY_MEMBERS = [
  ...["IC", "capacity", "circuit", "curve", "nPublic", "protocol", "setup", "statement"],
  ...["vk_alpha_1", "vk_beta_2", "vk_delta_2", "vk_gamma_2"],
];

/** A verifying key, from a `Map`. */
export class VerifyingKey {
  constructor(document) {
    if (!hasExactly(document, KEY_MEMBERS)) {
      throw new DocumentError(`A verifying key has the members ${KEY_MEMBERS.join(", ")}.`);
    }
    if (document.get("protocol") !== "groth16" || document.get("curve") !== "bn128") {
      throw new DocumentError("The verifying key is not one of Groth16 over BN254.");
    }
    this.statement = document.get("statement");
    if (!PUBLIC_INPUTS.has(this.statement)) {
      throw new DocumentError("The verifying key's statement is neither cells nor agreement.");
    }
    this.capacity = document.get("capacity");
    if (!Number.isInteger(this.capacity) || this.capacity <= 0 || this.capacity >= 2 ** 31) {
      throw new DocumentError("The verifying key's capacity is not a number of rows.");
    }
    this.setup = document.get("setup");
    if (typeof this.setup !== "string" || !SETUP.test(this.setup)) {
      throw new DocumentError("The verifying key's setup is neither operator nor a ceremony.");
    }
    const [inputs, expected] = [document.get("IC"), PUBLIC_INPUTS.get(this.statement).length + 1];
    if (document.get("nPublic") !== expected - 1) {
      throw new DocumentError(`The verifying key of ${this.statement} has nPublic ${expected - 1}.`);
    }
    if (!Array.isArray(inputs) || inputs.length !== expected) {
      throw new DocumentError(`The verifying key of ${this.statement} has ${expected} points in IC.`);
    }
    this.alpha = g1(document.get("vk_alpha_1"), "vk_alpha_1");
    [this.beta, this.gamma, this.delta] = ["vk_beta_2", "vk_gamma_2", "vk_delta_2"].map((name) =>
      g2(document.get(name), name),
    );
    this.inputs = inputs.map((point, at) => g1(point, `IC[${at}]`));
    if (this.gamma.equals(this.delta)) {
      throw new DocumentError(
        "The verifying key is not sound: gamma and delta are the same point, so anybody can forge proofs.",
      );
    }
    const header = `hokusai-groth16-bn254-v1\n${this.statement}\n${this.capacity}\n${this.setup}\n`;
    const points =
      encoded1(this.alpha) +
      [this.beta, this.gamma, this.delta].map(encoded2).join("") +
      this.inputs.map(encoded1).join("");
    this.circuit = hex(sha256(concat(utf8(header), unhex(points))));
    if (document.get("circuit") !== this.circuit) {
      throw new DocumentError("The verifying key is not that of the circuit that it names.");
    }
  }

  /** The public inputs of a proof by their names. */
  publicInputs(values) {
    const names = PUBLIC_INPUTS.get(this.statement);
    if (!Array.isArray(values) || values.length !== names.length) {
      throw new DocumentError(`The proof must have ${names.length} public inputs.`);
    }
    return new Map(names.map((name, at) => [name, number(values[at], name, R)]));
  }
}

const MEMBERS = ["curve", "pi_a", "pi_b", "pi_c", "protocol"];

/** Whether an object has exactly these members, in any order. */
export const hasExactly = (document, names) =>
  document instanceof Map && document.size === names.length && names.every((name) => document.has(name));

/** The points of a proof. */
export function readPoints(document) {
  if (!hasExactly(document, MEMBERS)) throw new DocumentError(`A proof has the members ${MEMBERS.join(", ")}.`);
  if (document.get("protocol") !== "groth16" || document.get("curve") !== "bn128") {
    throw new DocumentError("The proof is not one of Groth16 over BN254 (bn128).");
  }
  return {
    a: g1(document.get("pi_a"), "pi_a"),
    b: g2(document.get("pi_b"), "pi_b"),
    c: g1(document.get("pi_c"), "pi_c"),
  };
}

/** Whether a proof holds. */
export function holds(key, publicInputs, { a, b, c }) {
  const sum = [...publicInputs.values()].reduce(
    (total, value, at) => (value === 0n ? total : total.add(key.inputs[at + 1].multiply(value))),
    key.inputs[0],
  );
  const pairs = [
    { g1: a, g2: b },
    { g1: key.alpha.negate(), g2: key.beta },
    { g1: sum.negate(), g2: key.gamma },
    { g1: c.negate(), g2: key.delta },
  ];
  const used = pairs.filter((pair) => !pair.g1.is0());
  return Fp12.eql(bn254.pairingBatch(used), Fp12.ONE);
}
