// This package and the Python package `hokusai` come to the same results on bundles, in the same words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { verify } from "../src/index.js";
import { BUNDLES, VECTORS, changed } from "./vectors.js";

const IMPROVEMENT = VECTORS.attestations.improvement;

/** The check `bundle`: its result and reason; or the kind of error alone. */
function outcome(document, bundle, envelopeKeys) {
  try {
    const { result, detail } = verify(document, { bundle, envelopeKeys }).check("bundle");
    return [result, detail];
  } catch (error) {
    return [error.name];
  }
}

/** Reasons that are about the form of JSON are those of each language's own parser. */
const withoutParser = (words) => words.map((one) => one.replace(/(not valid JSON): .*/, "$1"));

for (const [index, given] of BUNDLES.cases.entries()) {
  const { path, value, document, envelopeKeys = path || document ? [BUNDLES.key] : [], expected } = given;
  const about = JSON.stringify(path ?? document ?? envelopeKeys).slice(0, 80);
  test(`bundle ${index}: ${about}`, () => {
    const bundle = path ? changed(BUNDLES.bundle, path, value) : BUNDLES.bundle;
    const attestation = given.attestation ?? (document ? changed(IMPROVEMENT, ...document) : IMPROVEMENT);
    assert.deepEqual(withoutParser(outcome(attestation, bundle, envelopeKeys)), withoutParser(expected));
    assert.deepEqual(withoutParser(outcome(attestation, JSON.stringify(bundle), envelopeKeys)), withoutParser(expected));
  });
}

test("a well-known document names the keys", () => {
  const known = { ...VECTORS.known, envelopes: { key: BUNDLES.key, keys: [BUNDLES.key] } };
  const result = (given) => verify(IMPROVEMENT, { known: given, bundle: BUNDLES.bundle }).check("bundle").result;
  assert.equal(result(known), "holds");
  assert.equal(result(VECTORS.known), "unchecked");
  assert.throws(() => result({ ...known, envelopes: { key: "x", keys: [] } }), { name: "DocumentError" });
});
