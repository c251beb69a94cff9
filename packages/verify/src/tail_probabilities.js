// Tail probabilities of the normal and the binomial distribution, each as the double next to it.
import { LN_2, ONE, exponential, logarithm, nearestDouble, ratio, root, times } from "./fixed_point.js";

// 50 decimals.
export const PI = [314159265358979323846264338327950288419716939937510n, 10n ** 50n];
// Up to this z the series is used, and above it, where it would cancel, the continued fraction.
const LARGE = 6n * ONE;
const FRACTIONS = 200n;
// Up to here factorials are exact, and above it by Stirling's series.
const SMALL = 1000n;
// B(2k) / (2k (2k - 1)), of Stirling's series.
export const STIRLING = [
  [1n, 12n],
  [-1n, 360n],
  [1n, 1260n],
  [-1n, 1680n],
  [1n, 1188n],
  [-691n, 360360n],
  [1n, 156n],
  [-3617n, 122400n],
];
// Bits of the sum of a binomial tail.
const SUM = 256n;

/**
 * The probability that a standard normal variable is above z.
 * @param {1 | -1} sign That of z.
 * @param {[bigint, bigint]} squared z², as a fraction.
 */
export function upperNormalTail(sign, squared) {
  const square = ratio(...squared);
  const z = root(square);
  const density = (exponential(-(square + 1n) / 2n) * ONE) / root(2n * ratio(...PI));
  const tail = z < LARGE ? ONE / 2n - times(density, normalSeries(z, square)) : (density * ONE) / normalFraction(z);
  return nearestDouble(sign > 0 ? tail : ONE - tail);
}

/**
 * The two-sided p-value of McNemar's exact test, from the discordant pairs: the probability that a fair
 * coin, thrown once for each pair, is at least as uneven.
 * @param {bigint} baselineOnly
 * @param {bigint} improvedOnly
 */
export function exactMcNemar(baselineOnly, improvedOnly) {
  const pairs = baselineOnly + improvedOnly;
  const fewer = baselineOnly < improvedOnly ? baselineOnly : improvedOnly;
  if (2n * fewer >= pairs - 1n) return 1;
  if (pairs <= SMALL) {
    // In whole numbers: it may lie exactly between two doubles.
    let [ways, outcomes] = [1n, 1n];
    for (let k = 0n; k < fewer; k += 1n) {
      ways = (ways * (pairs - k)) / (k + 1n);
      outcomes += ways;
    }
    return nearestDouble(outcomes, 1n << (pairs - 1n));
  }
  // The terms below `fewer`, relative to its own.
  let [term, total] = [1n << SUM, 1n << SUM];
  for (let k = fewer; k > 0n && term > 0n; k -= 1n) {
    term = (term * k) / (pairs - k + 1n);
    total += term;
  }
  const binomial = lnFactorial(pairs) - lnFactorial(fewer) - lnFactorial(pairs - fewer);
  const largest = binomial - (pairs - 1n) * LN_2();
  const tail = (exponential(largest < 0n ? largest : 0n) * total) >> SUM;
  return nearestDouble(tail < ONE ? tail : ONE);
}

/** (Φ(z) - 1/2) / φ(z) = z + z³/3 + z⁵/(3·5) + … */
function normalSeries(z, square) {
  let total = 0n;
  let k = 1n;
  for (let term = z; term > 0n; term = times(term, square) / k) {
    total += term;
    k += 2n;
  }
  return total;
}

/** φ(z) / (1 - Φ(z)) = z + 1/(z + 2/(z + 3/(z + …))): Laplace's continued fraction. */
function normalFraction(z) {
  let value = z;
  for (let k = FRACTIONS; k > 0n; k -= 1n) value = z + (k * ONE * ONE) / value;
  return value;
}

function lnFactorial(n) {
  if (n <= SMALL) {
    let product = 1n;
    for (let k = 2n; k <= n; k += 1n) product *= k;
    return logarithm(product);
  }
  const series = STIRLING.reduce(
    (sum, [numerator, denominator], k) => sum + ratio(numerator, denominator * n ** BigInt(2 * k + 1)),
    0n,
  );
  const lnPi = logarithm(PI[0]) - logarithm(PI[1]);
  return n * logarithm(n) - n * ONE + (logarithm(2n * n) + lnPi) / 2n + series;
}
