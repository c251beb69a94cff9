// This package and the Python package come to the same report on a proof, in the same words.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { verify } from "../src/index.js";
import { PROVEN, PROVEN_2, changed } from "./vectors.js";

/** The document of a case, as `make_proof_reports.py` makes it. */
function documentOf({ of, path, value, replace = [] }) {
  const attestation = of ? PROVEN_2.attestations[of] : PROVEN.attestation;
  const document = path ? changed(attestation, path, value) : structuredClone(attestation);
  const bytes = replace.reduce((text, [old, other]) => text.replaceAll(old, () => other), document.bytes);
  const data = JSON.parse(bytes);
  const { kind, delta_one } = data;
  const hash = createHash("sha256").update(bytes).digest("hex");
  return { ...document, bytes, data, kind, evidence: kind, delta_one, hash };
}

for (const [index, given] of [...PROVEN.cases, ...PROVEN_2.cases].entries()) {
  const about = JSON.stringify(given.path ?? given.replace ?? given.arguments ?? given.of ?? "as it is").slice(0, 80);
  test(`proof ${index}: ${about}`, () => {
    let found;
    try {
      const report = verify(documentOf(given), given.arguments ?? { known: (given.of ? PROVEN_2 : PROVEN).known });
      const checks = report.checks.map(({ name, result, detail }) => [name, result, detail]);
      found = { ok: report.ok, kind: report.kind, checks };
    } catch (error) {
      found = { error: error.name };
    }
    assert.deepEqual(found, given.report);
  });
}
