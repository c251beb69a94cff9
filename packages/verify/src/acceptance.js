// Whether an improvement is accepted, computed again from what was attested of its evaluation.
import { BASIS_POINTS, Z_SQUARED, reasonOf, turned } from "./acceptance_rule.js";
import { CheckFailed, NotChecked } from "./errors.js";
import { floorDivided, wholeRoot } from "./fixed_point.js";
import { integerAt, member, objectAt, textAt } from "./json_fields.js";
import { byMeans, byRanks } from "./score_acceptance.js";
import { Float, canonicalJSON, equalJSON } from "./strict_json.js";
import { exactMcNemar, upperNormalTail } from "./tail_probabilities.js";

// The most rows that a benchmark has.
const MAX_ROWS = 10_000_000;

/**
 * Check the attested judgement of an improvement, by computing it again.
 * @param {Map} evaluation The member `evaluation` of an attestation's data.
 * @returns {string} What holds, in words.
 * @throws {CheckFailed} It does not follow from what was attested, or a part is missing.
 * @throws {NotChecked} It was made by a method that is not known here.
 */
export function checkAcceptance(evaluation) {
  const stated = objectAt(evaluation, "acceptance");
  const method = textAt(stated, "statistical_method");
  const judge = METHODS.get(method);
  if (!judge) throw new NotChecked(`it is not computed again: the method ${method} is not known here`);
  for (const [name, value] of Object.entries(judge(evaluation))) {
    if (!equalJSON(member(stated, name), value)) {
      throw new CheckFailed(
        `${name} is ${canonicalJSON(stated.get(name))}, but ${canonicalJSON(value)} follows from what was attested`,
      );
    }
  }
  const what = judge === twoProportions ? "counts" : "scores";
  return `${stated.get("reason")}, as follows from the attested ${what} by ${method}`;
}

/** The judgement of two shares, a test of two proportions with separate variances: members of `acceptance`. */
function twoProportions(evaluation) {
  const [[s, n], [t, m]] = ["baseline", "improved"].map((which) => count(evaluation, which));
  // The effect as a fraction e/d, and the variance of the difference as v/w.
  const [e, d] = turned(evaluation, [t * n - s * m, n * m]);
  const v = s * (n - s) * m ** 3n + t * (m - t) * n ** 3n;
  const w = d ** 3n;
  // That the lower bound of the interval is above zero, without a root.
  const [above, below] = Z_SQUARED;
  const isSignificant = e > 0n && e ** 2n * w * below > above * v * d ** 2n;
  const certain = e > 0n ? 0 : 1;
  const pValue = v === 0n ? certain : upperNormalTail(e >= 0n ? 1 : -1, [e ** 2n * w, d ** 2n * v]);
  const effect = [e * BASIS_POINTS, d];
  const margin = [above * v * BASIS_POINTS ** 2n, w * below];
  return {
    ...reasonOf(evaluation, Number(n < m ? n : m), [e, d], isSignificant),
    p_value: new Float(pValue),
    effect_size_bps: Number(rounded(effect, 1n, [0n, 1n])),
    ci_low_bps: Number(rounded(effect, -1n, margin)),
    ci_high_bps: Number(rounded(effect, 1n, margin)),
    mcnemar_p: mcnemar(evaluation),
  };
}

/** The successes of a model, and the number of its rows. */
function count(evaluation, which) {
  const [successes, rows] = ["successes", "sample_size"].map((name) => integerAt(evaluation, which, name));
  if (rows === 0 || rows > MAX_ROWS || successes > rows) throw new CheckFailed(`the counts of ${which} are not possible`);
  return [BigInt(successes), BigInt(rows)];
}

function mcnemar(evaluation) {
  if (member(evaluation, "discordant") === null) return null;
  const pairs = ["baseline_only", "improved_only"].map((name) => integerAt(evaluation, "discordant", name));
  if (pairs[0] + pairs[1] > MAX_ROWS) throw new CheckFailed("the discordant pairs are not possible");
  return new Float(exactMcNemar(...pairs.map(BigInt)));
}

/** a + sign·√b of two fractions, rounded to the nearest whole number, and half to even. */
function rounded([a, c], sign, [b, f]) {
  // Twice the sum is (p + sign·√r) / d, of whole numbers.
  const d = c * f;
  const [p, r] = [2n * a * f, 4n * c ** 2n * b * f];
  const whole = wholeRoot(r);
  const isExact = whole * whole === r;
  const twice = floorDivided(p + (sign > 0n ? whole : -whole - (isExact ? 0n : 1n)), d);
  const nearest = floorDivided(twice + 1n, 2n);
  const isHalf = isExact && twice % 2n !== 0n && p + sign * whole === twice * d;
  return isHalf && nearest % 2n !== 0n ? nearest - 1n : nearest;
}

/** How each method judges: from the evaluation, the members of `acceptance` that follow from it. */
const METHODS = new Map([
  ["two_proportion_z", twoProportions],
  ["welch_t", byMeans],
  ["mann_whitney_u", byRanks],
  ["mann_whitney_u_exact", byRanks],
]);
