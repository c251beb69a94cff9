// Fractions of whole numbers, [numerator, denominator]: `BigInt`s, of which the denominator is above 0.
import { floorDivided } from "./fixed_point.js";

export const whole = (number) => [BigInt(number), 1n];

export const plus = ([a, b], [c, d]) => [a * d + c * b, b * d];

export const less = (one, [c, d]) => plus(one, [-c, d]);

export const product = ([a, b], [c, d]) => [a * c, b * d];

/** A quotient; the divisor is above 0. */
export const quotient = ([a, b], [c, d]) => [a * d, b * c];

export const squared = (one) => product(one, one);

/** Whether one is above another. */
export const isAbove = ([a, b], [c, d]) => a * d > c * b;

/** The nearest whole number, and half to even. */
export function nearestWhole([a, b]) {
  const nearest = floorDivided(2n * a + b, 2n * b);
  const isHalf = (2n * a + b) % (2n * b) === 0n;
  return isHalf && nearest % 2n !== 0n ? nearest - 1n : nearest;
}
