// Real numbers as whole multiples of 2^-BITS, for results that have to be the same double everywhere.
// Whole numbers are exact in each language. So many bits leave a tail probability as small as the
// smallest double its leading 300 bits. All numbers here are `BigInt`s.

export const BITS = 1400n;
export const ONE = 1n << BITS;

/** A quotient, rounded down. */
export function floorDivided(one, other) {
  const quotient = one / other;
  return quotient * other !== one && one < 0n !== other < 0n ? quotient - 1n : quotient;
}

/** A fraction. The denominator is above 0. */
export const ratio = (numerator, denominator) => floorDivided(numerator << BITS, denominator);

/** A product. */
export const times = (one, other) => (one * other) >> BITS;

/** The root of a number that is not negative. */
export const root = (number) => wholeRoot(number << BITS);

const bits = (number) => number.toString(2).length;

/** The root of a whole number that is not negative, rounded down: by Newton's method from above. */
export function wholeRoot(number) {
  if (number === 0n) return 0n;
  let guess = 1n << BigInt((bits(number) + 1) >> 1);
  for (;;) {
    const next = (guess + number / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** The double next to a fraction that is not negative, and half to even; at most 1. */
export function nearestDouble(numerator, denominator = ONE) {
  if (numerator === 0n) return 0;
  // As many bits as a double has: 53, or less of the smallest ones, which are multiples of 2^-1074.
  let shift = 53 + bits(denominator) - bits(numerator);
  if ((numerator << BigInt(shift)) / denominator >= 1n << 53n) shift -= 1;
  shift = Math.min(shift, 1074);
  const scaled = numerator << BigInt(shift);
  const whole = scaled / denominator;
  const twice = 2n * (scaled - whole * denominator);
  const isUp = twice > denominator || (twice === denominator && whole % 2n === 1n);
  return Number(isUp ? whole + 1n : whole) * 2 ** -shift;
}

/** The inverse hyperbolic tangent of a fraction of at most 1/3: y + y³/3 + y⁵/5 + … */
function atanh(numerator, denominator) {
  let power = ratio(numerator, denominator);
  const square = times(power, power);
  let total = 0n;
  for (let k = 1n; power > 0n; k += 2n) {
    total += power / k;
    power = times(power, square);
  }
  return total;
}

let ln2;
/** The natural logarithm of 2. */
export const LN_2 = () => (ln2 ??= 2n * atanh(1n, 3n));

/** The natural logarithm of a whole number above 0. */
export function logarithm(number) {
  // number = m·2^k with 1 <= m < 2, and ln m = 2·atanh((m - 1)/(m + 1)).
  const k = BigInt(bits(number) - 1);
  return k * LN_2() + 2n * atanh(number - (1n << k), number + (1n << k));
}

/** e to the power of a number that is not above 0. */
export function exponential(number) {
  // -number = k·ln 2 + rest
  const [k, rest] = [-number / LN_2(), -number % LN_2()];
  let total = 0n;
  let n = 0n;
  for (let term = ONE; term > 0n; term = times(term, rest) / n) {
    total += n % 2n === 0n ? term : -term;
    n += 1n;
  }
  return k > 2n * BITS ? 0n : total >> k;
}
