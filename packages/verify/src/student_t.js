// Student's t distribution: its upper tail as the double next to it, and its quantile.
// With n degrees of freedom, the tail is half of the regularised incomplete beta function I_x(n/2, 1/2) at
// x = n / (n + t²) (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.1 and 26.5.8). Numbers are
// those of fixed_point.js.
import { BITS, LN_2, ONE, exponential, logarithm, nearestDouble, ratio, root, times } from "./fixed_point.js";
import { PI, STIRLING } from "./tail_probabilities.js";

// The one-sided probability outside a two-sided interval of 95 %.
const TAIL = ratio(1n, 40n);
// From here on Stirling's series has the digits that are needed.
const LARGE = 100n * ONE;
// Where the quantile is searched from: that of the normal distribution is below every other one.
const START = ratio(195n, 100n);
const HALF = ONE / 2n;
// A continued fraction has converged when a step changes it by less than 2^-DIGITS of it.
const DIGITS = 160n;

/**
 * The probability that a variable of Student's distribution is above t.
 * @param {1 | -1} sign That of t.
 * @param {[bigint, bigint]} squared t², as a fraction.
 * @param {[bigint, bigint]} freedom The degrees of freedom, at least 1, as a fraction.
 */
export function upperTTail(sign, squared, freedom) {
  const n = ratio(...freedom);
  const tail = tailOf(ratio(...squared), n, beta(n / 2n));
  return nearestDouble(sign > 0 ? tail : ONE - tail);
}

/** The probability that a variable of Student's distribution is outside of ±t. Parameters as above. */
export function twoSidedTTail(squared, freedom) {
  const n = ratio(...freedom);
  return nearestDouble(2n * tailOf(ratio(...squared), n, beta(n / 2n)));
}

/** The t above which lies a probability of 0.025. freedom: the degrees of freedom, at least 1, as a fraction. */
export function tQuantile(freedom) {
  const n = ratio(...freedom);
  const scale = beta(n / 2n);
  const factor = (ONE * ONE) / times(root(n), scale);
  let t = START;
  // The tail is convex: each of Newton's steps ends below the quantile, and nearer to it.
  for (let step = ONE; step > t >> (DIGITS / 2n); t += step) {
    const square = times(t, t);
    const power = ln(n) - ln(n + square);
    const density = times(factor, exponential(times((n + ONE) / 2n, power)));
    step = ((tailOf(square, n, scale) - TAIL) * ONE) / density;
  }
  return t;
}

/** The probability above the positive root of t². scale: B(n/2, 1/2). */
function tailOf(square, n, scale) {
  if (square === 0n) return HALF;
  const [a, sum] = [n / 2n, n + square];
  const [x, y] = [(n * ONE) / sum, (square * ONE) / sum];
  const power = exponential(times(a, ln(n) - ln(sum)));
  const factor = (times(power, root(y)) * ONE) / scale;
  // Each fraction converges fast on its own side of the mean.
  if (x < ((a + ONE) * ONE) / (a + 5n * HALF)) return (times(factor, fraction(a, HALF, x)) * ONE) / a / 2n;
  return HALF - times(factor, fraction(HALF, a, y));
}

/** The continued fraction of the incomplete beta function, by Lentz's method. */
function fraction(a, b, x) {
  let c = ONE;
  let d = (ONE * ONE) / (ONE - (times(a + b, x) * ONE) / (a + ONE));
  let value = d;
  for (let m = 1n; ; m += 1n) {
    const [before, k] = [value, m * ONE];
    const above = a + 2n * k;
    for (const term of [
      (times(m * (b - k), x) * ONE) / times(above - ONE, above),
      -(times(times(a + k, a + b + k), x) * ONE) / times(above, above + ONE),
    ]) {
      d = (ONE * ONE) / (ONE + times(term, d));
      c = ONE + (term * ONE) / c;
      value = times(value, times(c, d));
    }
    const change = value > before ? value - before : before - value;
    if (change <= value >> DIGITS) return value;
  }
}

/** B(a, 1/2) = Γ(a) Γ(1/2) / Γ(a + 1/2). */
function beta(a) {
  // Γ(a) / Γ(a + 1/2) is that of a + 1, times (a + 1/2) / a.
  let shifted = ONE;
  for (; a < LARGE; a += ONE) shifted = (shifted * (a + HALF)) / a;
  return times(times(shifted, exponential(lnGamma(a) - lnGamma(a + HALF))), root(ratio(...PI)));
}

/** ln Γ(x) without ln √(2π), by Stirling's series. */
function lnGamma(x) {
  let power = (ONE * ONE) / x;
  let series = 0n;
  const square = times(power, power);
  for (const [numerator, denominator] of STIRLING) {
    series += (power * numerator) / denominator;
    power = times(power, square);
  }
  return times(x - HALF, ln(x)) - x + series;
}

/** The natural logarithm of a number above 0. */
const ln = (number) => logarithm(number) - BITS * LN_2();
