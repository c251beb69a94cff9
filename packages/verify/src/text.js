const UTF8 = new TextEncoder();

/** Half of a surrogate pair alone, which is not Unicode text. */
export const LONE_SURROGATE = /\p{Cs}/u;

/** A text without the white space of JSON around it: what else programs strip differs from language to language. */
export function trimmed(text) {
  let [start, end] = [0, text.length];
  while (start < end && " \t\r\n".includes(text[start])) start += 1;
  while (end > start && " \t\r\n".includes(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

/** The UTF-8 bytes of a text. */
export const utf8 = (text) => UTF8.encode(text);

/** Bytes one after the other. */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Bytes as hexadecimal digits in lower case. */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Pairs of hexadecimal digits as bytes. The caller has checked the form. */
export const unhex = (digits) =>
  Uint8Array.from({ length: digits.length / 2 }, (_, at) => Number.parseInt(digits.substr(2 * at, 2), 16));

/** Whether two byte arrays are equal. None of them is secret, so the time does not matter. */
export const equalBytes = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

/**
 * Bytes of base64 in its only canonical form, in which the unused last bits are zero.
 * @throws {Error} The text has another form.
 */
export function fromBase64(text) {
  let binary;
  try {
    // `atob` also reads text with spaces, or without padding.
    if (/[^A-Za-z0-9+/=]/.test(text) || text.length % 4 !== 0) throw new Error();
    binary = atob(text);
  } catch {
    throw new Error("a part is not valid base64");
  }
  if (btoa(binary) !== text) throw new Error("a part is not in the canonical form of base64");
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

// Controls, changes of direction and other characters that do not print, private and unassigned ones.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * A text for people: characters that could control a terminal, or turn the direction of the text
 * around them, are replaced. Names and reasons in a document were written by others.
 */
export const printable = (text) => String(text).replace(UNPRINTABLE, "\ufffd");

// JavaScript writes a character beyond U+FFFF with two of these, which are below U+E000.
const SURROGATE = /[\ud800-\udfff]/;

/** Python's order of texts, by code points. JavaScript's differs where one has a surrogate. */
export function compareCodePoints(one, other) {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const left = one.charCodeAt(at);
    const right = other.charCodeAt(at);
    if (left !== right) return rank(left) - rank(right);
  }
  return one.length - other.length;
}

/** Texts in Python's order. JavaScript's own sort is many times as fast, where it has that order. */
export function sortedTexts(texts) {
  const sorted = [...texts];
  return sorted.some((text) => SURROGATE.test(text)) ? sorted.sort(compareCodePoints) : sorted.sort();
}

const rank = (unit) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
