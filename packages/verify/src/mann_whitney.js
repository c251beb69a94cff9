// The test of Mann and Whitney (1947): whether one of two samples tends to have higher scores.
import { less, product, quotient, squared, whole } from "./fractions.js";

// Where both samples are smaller than this, and no scores are equal, the orders are counted.
const SMALL = 50;

/** Whether the probability is counted. */
export const isExact = (sizes, tieTerm) => tieTerm === 0 && Math.max(...sizes) < SMALL;

/**
 * The probability that U is at least `u`, if both samples are of one distribution.
 * @param {number} u
 * @param {[number, number]} sizes
 * @returns {[bigint, bigint]} A fraction.
 */
export function exactUpperTail(u, [n, m]) {
  // As many orders have U = n·m - u as have U = u.
  const most = n * m - u;
  const ways = [1n, ...Array(most).fill(0n)];
  let orders = 1n;
  // The product of (1 - q^(n + k)) / (1 - q^k) for k from 1 to m, up to the power `most` of q.
  for (let k = 1; k <= m; k += 1) {
    for (let power = most; power >= n + k; power -= 1) ways[power] -= ways[power - n - k];
    for (let power = k; power <= most; power += 1) ways[power] += ways[power - k];
    orders = (orders * BigInt(n + k)) / BigInt(k);
  }
  return [ways.reduce((sum, one) => sum + one, 0n), orders];
}

/**
 * The sign and the square of z, with the corrections for ties and for continuity; null where all scores are equal.
 * @param {[bigint, bigint]} u A fraction.
 */
export function zOf(u, [n, m], tieTerm) {
  const total = n + m;
  const pairs = whole(n * m);
  const unequal = less(whole(total + 1), [BigInt(tieTerm), BigInt(total) * BigInt(total - 1)]);
  const variance = product(quotient(pairs, whole(12)), unequal);
  if (variance[0] === 0n) return null;
  const distance = less(u, quotient(less(pairs, whole(-1)), whole(2)));
  return { sign: distance[0] >= 0n ? 1 : -1, squared: quotient(squared(distance), variance) };
}
