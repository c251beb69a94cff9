// The result of verifying an attestation: a report with one entry per check.
import { NotChecked } from "./errors.js";

export const HOLDS = "holds";
export const FAILS = "fails";
export const UNCHECKED = "unchecked";
// Without these, nobody whom the caller trusts has signed an attestation.
const ESSENTIAL = ["hash", "signature", "signer"];

/**
 * Make one check.
 * @param {string} name Its name, such as `signature`.
 * @param {() => string} make Returns why it holds; throws `NotChecked`, or any other error if it fails.
 */
export function check(name, make) {
  try {
    return { name, result: HOLDS, detail: make() };
  } catch (reason) {
    // A mistake in this package must not look like an invalid attestation.
    if (reason instanceof TypeError || reason instanceof RangeError) throw reason;
    return { name, result: reason instanceof NotChecked ? UNCHECKED : FAILS, detail: reason.message };
  }
}

/** All checks of one attestation, or of the signature of a model alone, with the members that index.d.ts describes. */
export class Report {
  constructor({ checks, hash, signer, data, unsigned, essential = ESSENTIAL }) {
    this.checks = checks;
    this.hash = hash;
    this.signer = signer;
    this.data = data;
    this.unsigned = unsigned;
    this.essential = essential;
  }

  get ok() {
    return (
      this.checks.every(({ result }) => result !== FAILS) &&
      this.essential.every((name) => this.check(name)?.result === HOLDS)
    );
  }

  get complete() {
    return this.checks.every(({ result }) => result === HOLDS);
  }

  get kind() {
    return this.data === null ? null : this.data.kind;
  }

  check(name) {
    return this.checks.find((one) => one.name === name);
  }

  toJSON() {
    const { ok, complete, hash, kind, signer, unsigned, checks } = this;
    return { ok, complete, hash, kind, signer, unsigned, checks };
  }
}
