// Whether an improvement is accepted whose metric is a mean of scores of rows. It follows from what an attestation
// has of the scores, as the numbers are written in decimal.
import { BASIS_POINTS, Z_SQUARED, numberAt, reasonOf, truthAt, turned } from "./acceptance_rule.js";
import { fraction } from "./decimal.js";
import { CheckFailed } from "./errors.js";
import { ONE, nearestDouble, ratio, root, times } from "./fixed_point.js";
import { isAbove, less, nearestWhole, plus, product, quotient, squared, whole } from "./fractions.js";
import { integerAt, member, textAt } from "./json_fields.js";
import { exactUpperTail, isExact, zOf } from "./mann_whitney.js";
import { Float } from "./strict_json.js";
import { tQuantile, twoSidedTTail, upperTTail } from "./student_t.js";
import { exactMcNemar, upperNormalTail } from "./tail_probabilities.js";

// The most rows of a benchmark that is judged by scores, and the largest number of them.
const MAX_SCORES = 8_000;
const LARGEST = whole(10 ** 10);
const ZERO = whole(0);
// The significance of a one-sided test.
const LEVEL = [1n, 40n];

/** The judgement by Welch's t test, with the degrees of freedom of Satterthwaite: members of `acceptance`. */
export function byMeans(evaluation) {
  requireFamily(evaluation, ["continuous", "zero_inflated_continuous"]);
  const [baseline, improved] = ["baseline", "improved"].map((which) => sample(evaluation, which));
  const effect = turned(evaluation, less(improved.mean, baseline.mean));
  const error = plus(baseline.error, improved.error);
  if (error[0] === 0n) throw new CheckFailed("the scores of neither model differ");
  const [first, second] = [baseline, improved].map((one) => quotient(squared(one.error), whole(one.rows - 1)));
  const freedom = quotient(squared(error), plus(first, second));
  const middle = ratio(...effect);
  const margin = times(tQuantile(freedom), root(ratio(...error)));
  const rows = Math.min(baseline.rows, improved.rows);
  const bound = (value) => Number(nearestWhole([value * BASIS_POINTS, ONE]));
  return {
    ...reasonOf(evaluation, rows, effect, middle > margin),
    p_value: new Float(upperTTail(effect[0] >= 0n ? 1 : -1, quotient(squared(effect), error), freedom)),
    effect_size_bps: inBasisPoints(effect),
    ci_low_bps: bound(middle - margin),
    ci_high_bps: bound(middle + margin),
    paired_p: pairedT(evaluation, baseline.rows),
  };
}

/** The judgement by the test of Mann and Whitney, which has no interval: members of `acceptance`. */
export function byRanks(evaluation) {
  requireFamily(evaluation, ["rank_or_ordinal"]);
  const [baseline, improved] = ["baseline", "improved"].map((which) => sample(evaluation, which));
  const effect = turned(evaluation, less(improved.mean, baseline.mean));
  const sizes = [improved.rows, baseline.rows];
  const [pairs, total] = [whole(sizes[0] * sizes[1]), BigInt(sizes[0] + sizes[1])];
  let u = fraction(numberAt(evaluation, "ranks", "u"));
  const ties = integerAt(evaluation, "ranks", "tie_term");
  const isHalves = (2n * u[0]) % u[1] === 0n;
  if (u[0] < 0n || isAbove(u, pairs) || !isHalves || BigInt(ties) > total ** 3n - total) {
    throw new CheckFailed("the ranks are not possible");
  }
  if (!truthAt(evaluation, "benchmark", "higher_is_better")) u = less(pairs, u);
  let [method, isSignificant, pValue] = ["mann_whitney_u", false, 1];
  if (isExact(sizes, ties)) {
    if (u[0] % u[1] !== 0n) throw new CheckFailed("the ranks are not possible");
    const p = exactUpperTail(Number(u[0] / u[1]), sizes);
    [method, isSignificant, pValue] = ["mann_whitney_u_exact", isAbove(LEVEL, p), nearestDouble(...p)];
  } else {
    const z = zOf(u, sizes, ties);
    if (z) [isSignificant, pValue] = [z.sign > 0 && isAbove(z.squared, Z_SQUARED), upperNormalTail(z.sign, z.squared)];
  }
  return {
    ...reasonOf(evaluation, Math.min(...sizes), effect, isSignificant),
    statistical_method: method,
    p_value: new Float(pValue),
    effect_size_bps: inBasisPoints(effect),
    ci_low_bps: null,
    ci_high_bps: null,
    paired_p: signTest(evaluation, baseline.rows),
  };
}

const inBasisPoints = (effect) => Number(nearestWhole(product(effect, [BASIS_POINTS, 1n])));

function requireFamily(evaluation, families) {
  const family = textAt(evaluation, "benchmark", "metric_family");
  if (!families.includes(family)) throw new CheckFailed(`a metric of the family ${family} is not judged by this method`);
}

const isPossible = (mean, deviation) =>
  ![mean, [-mean[0], mean[1]], deviation].some((one) => isAbove(one, LARGEST)) && deviation[0] >= 0n;

/** The rows of a model, the mean of its scores, and the square of the mean's standard error. */
function sample(evaluation, which) {
  const rows = integerAt(evaluation, which, "sample_size");
  const [mean, deviation] = ["mean", "standard_deviation"].map((name) => fraction(numberAt(evaluation, which, name)));
  if (rows < 2 || rows > MAX_SCORES || !isPossible(mean, deviation)) {
    throw new CheckFailed(`the scores of ${which} are not possible`);
  }
  return { rows, mean, error: quotient(squared(deviation), whole(rows)) };
}

function pairedT(evaluation, rows) {
  if (member(evaluation, "by_row") === null) return null;
  const [mean, deviation] = ["mean", "standard_deviation"].map((name) =>
    fraction(numberAt(evaluation, "by_row", name)),
  );
  if (!isPossible(mean, deviation)) throw new CheckFailed("the differences by row are not possible");
  if (deviation[0] === 0n) return new Float(mean[0] === ZERO[0] ? 1 : 0);
  const square = quotient(product(squared(mean), whole(rows)), squared(deviation));
  return new Float(twoSidedTTail(square, whole(rows - 1)));
}

function signTest(evaluation, rows) {
  if (member(evaluation, "by_row") === null) return null;
  const [higher, lower] = ["higher", "lower"].map((name) => integerAt(evaluation, "by_row", name));
  if (higher + lower > rows) throw new CheckFailed("the differences by row are not possible");
  return new Float(exactMcNemar(BigInt(lower), BigInt(higher)));
}
