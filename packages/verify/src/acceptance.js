// Whether an improvement is accepted, computed again from what was attested of its evaluation.
import { decimal, minus, notAbove } from "./decimal.js";
import { CheckFailed, NotChecked } from "./errors.js";
import { floorDivided, wholeRoot } from "./fixed_point.js";
import { integerAt, listAt, member, objectAt, textAt } from "./json_fields.js";
import { Float, canonicalJSON, equalJSON } from "./strict_json.js";
import { exactMcNemar, upperNormalTail } from "./tail_probabilities.js";

// The most rows that a benchmark has.
const MAX_ROWS = 10_000_000;
// 1.96, the normal quantile of a two-sided interval of 95 %, in hundredths and squared.
const Z_SQUARED = 196n ** 2n;
const BASIS_POINTS = 10_000n;

/**
 * Check the attested judgement of an improvement, by computing it again.
 * @param {Map} evaluation The member `evaluation` of an attestation's data.
 * @returns {string} What holds, in words.
 * @throws {CheckFailed} It does not follow from the counts, or a part is missing.
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
  return `${stated.get("reason")}, as follows from the attested counts by ${method}`;
}

/** The judgement of two shares, a test of two proportions with separate variances: members of `acceptance`. */
function twoProportions(evaluation) {
  const [[s, n], [t, m]] = ["baseline", "improved"].map((which) => count(evaluation, which));
  // The effect as a fraction e/d, and the variance of the difference as v/w.
  const isHigher = truthAt(evaluation, "benchmark", "higher_is_better");
  const e = (t * n - s * m) * (isHigher ? 1n : -1n);
  const d = n * m;
  const v = s * (n - s) * m ** 3n + t * (m - t) * n ** 3n;
  const w = d ** 3n;
  // That the lower bound of the interval is above zero, without a root.
  const isSignificant = e > 0n && e ** 2n * w * 100n ** 2n > Z_SQUARED * v * d ** 2n;
  const enough = integerAt(evaluation, "benchmark", "min_examples");
  const held = guardrailsHeld(evaluation);
  let reason = "accepted";
  if ((n < m ? n : m) < enough) reason = "insufficient_samples";
  else if (100n * e < d) reason = "delta_below_threshold";
  else if (!isSignificant) reason = "not_statistically_significant";
  else if (!held) reason = "guardrail_breached";
  const certain = e > 0n ? 0 : 1;
  const pValue = v === 0n ? certain : upperNormalTail(e >= 0n ? 1 : -1, [e ** 2n * w, d ** 2n * v]);
  const effect = [e * BASIS_POINTS, d];
  const margin = [Z_SQUARED * v * 100n ** 2n, w];
  return {
    accepted: reason === "accepted",
    reason,
    p_value: new Float(pValue),
    effect_size_bps: Number(rounded(effect, 1n, [0n, 1n])),
    ci_low_bps: Number(rounded(effect, -1n, margin)),
    ci_high_bps: Number(rounded(effect, 1n, margin)),
    mcnemar_p: mcnemar(evaluation),
  };
}

/**
 * Whether no guardrail is breached, as its metrics say.
 * @throws {CheckFailed} A guardrail says otherwise of itself, or a part is missing.
 */
export function guardrailsHeld(evaluation) {
  let held = true;
  for (const one of listAt(evaluation, "guardrails")) {
    const [before, after, most] = ["baseline", "improved", "max_worsening"].map((name) => numberAt(one, name));
    const worsening = truthAt(one, "higher_is_better") ? minus(before, after) : minus(after, before);
    const isHeld = notAbove(worsening, most);
    if (truthAt(one, "held") !== isHeld) {
      throw new CheckFailed(`the guardrail ${textAt(one, "metric")} says otherwise of itself`);
    }
    held &&= isHeld;
  }
  return held;
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

function truthAt(document, ...path) {
  const value = member(document, ...path);
  if (typeof value === "boolean") return value;
  throw new CheckFailed(`${path.join(".")} is not true or false`);
}

function numberAt(document, ...path) {
  const value = member(document, ...path);
  if (typeof value === "number" || value instanceof Float) return decimal(canonicalJSON(value));
  throw new CheckFailed(`${path.join(".")} is not a number`);
}

/** How each method judges: from the evaluation, the members of `acceptance` that follow from it. */
const METHODS = new Map([["two_proportion_z", twoProportions]]);
