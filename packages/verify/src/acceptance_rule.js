// What every judgement of an improvement has: its threshold, guardrails and reason.
import { decimal, minus, notAbove } from "./decimal.js";
import { CheckFailed } from "./errors.js";
import { integerAt, listAt, member, textAt } from "./json_fields.js";
import { Float, canonicalJSON } from "./strict_json.js";

// The square of 1.96, the normal quantile of a two-sided interval of 95 %, as a fraction.
export const Z_SQUARED = [196n ** 2n, 100n ** 2n];
export const BASIS_POINTS = 10_000n;

/** A difference of the metric, a fraction, as an improvement: above 0 where it got better. */
export const turned = (evaluation, [numerator, denominator]) => [
  truthAt(evaluation, "benchmark", "higher_is_better") ? numerator : -numerator,
  denominator,
];

/**
 * `accepted` and `reason`: the first condition that an improvement does not meet.
 * @param {number} rows How many were evaluated, of the model with fewer.
 * @param {[bigint, bigint]} effect The improvement, as a fraction.
 * @param {boolean} isSignificant Whether chance does not explain it.
 */
export function reasonOf(evaluation, rows, [numerator, denominator], isSignificant) {
  const held = guardrailsHeld(evaluation);
  let reason = "accepted";
  if (rows < integerAt(evaluation, "benchmark", "min_examples")) reason = "insufficient_samples";
  // Less than one percentage point.
  else if (100n * numerator < denominator) reason = "delta_below_threshold";
  else if (!isSignificant) reason = "not_statistically_significant";
  else if (!held) reason = "guardrail_breached";
  return { accepted: reason === "accepted", reason };
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

/** A member that is true or false. */
export function truthAt(document, ...path) {
  const value = member(document, ...path);
  if (typeof value === "boolean") return value;
  throw new CheckFailed(`${path.join(".")} is not true or false`);
}

/** A member that is a number, as `decimal` has it. */
export function numberAt(document, ...path) {
  const value = member(document, ...path);
  if (typeof value === "number" || value instanceof Float) return decimal(canonicalJSON(value));
  throw new CheckFailed(`${path.join(".")} is not a number`);
}
