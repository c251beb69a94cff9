// Decimal numbers, as Python's `decimal` subtracts them. A number is {digits, exponent}: digits·10^exponent.

// Digits of a difference.
const DIGITS = 28;

/** The number in a text such as -1.5e-07. */
export function decimal(text) {
  const [, whole, fraction = "", exponent = "0"] = /^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text);
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

/** The difference of two numbers, rounded to 28 digits, and half to even. */
export function minus(one, other) {
  const exponent = Math.min(one.exponent, other.exponent);
  const difference = scaled(one, exponent) - scaled(other, exponent);
  const excess = difference.toString().replace("-", "").length - DIGITS;
  if (excess <= 0) return { digits: difference, exponent };
  const unit = 10n ** BigInt(excess);
  const [size, rest] = [magnitude(difference) / unit, magnitude(difference) % unit];
  const isUp = 2n * rest > unit || (2n * rest === unit && size % 2n === 1n);
  const digits = (isUp ? size + 1n : size) * (difference < 0n ? -1n : 1n);
  return { digits, exponent: exponent + excess };
}

/** Whether one number is at most another. */
export function notAbove(one, other) {
  const exponent = Math.min(one.exponent, other.exponent);
  return scaled(one, exponent) <= scaled(other, exponent);
}

const magnitude = (number) => (number < 0n ? -number : number);

const scaled = ({ digits, exponent }, to) => digits * 10n ** BigInt(exponent - to);

/** A number as a fraction of whole numbers. */
export const fraction = ({ digits, exponent }) =>
  exponent < 0 ? [digits, 10n ** BigInt(-exponent)] : [digits * 10n ** BigInt(exponent), 1n];
