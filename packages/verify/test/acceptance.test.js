// This package and the Python package `hokusai` judge improvements alike, in the same words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAcceptance } from "../src/acceptance.js";
import { nearestDouble } from "../src/fixed_point.js";
import { check } from "../src/report.js";
import { parse } from "../src/strict_json.js";
import { ACCEPTANCES } from "./vectors.js";

for (const [index, { text, expected }] of ACCEPTANCES.entries()) {
  test(`acceptance ${index}: ${expected[1].slice(0, 80)}`, () => {
    const { result, detail } = check("acceptance", () => checkAcceptance(parse(text).get("evaluation")));
    assert.deepEqual([result, detail], expected);
  });
}

test("a fraction leads to the double next to it, and half to even", () => {
  const odd = 2n ** 53n + 1n;
  for (const [numerator, denominator, expected] of [
    [1n, 3n, 1 / 3],
    [2n, 3n, 2 / 3],
    [1n, 1n, 1],
    [odd, 2n ** 54n, 0.5],
    [odd + 2n, 2n ** 54n, 0.5 + 2 ** -52],
    [1n, 2n ** 1074n, 5e-324],
    [1n, 2n ** 1075n, 0],
    [3n, 2n ** 1075n, 1e-323],
    [2n ** 52n * 2n - 1n, 2n ** 1075n, 2 ** -1022],
  ]) {
    assert.equal(nearestDouble(numerator, denominator), expected, `${numerator}/${denominator}`);
  }
});
