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

/** Python's order of texts. That of JavaScript differs beyond U+FFFF. */
export function compareCodePoints(one, other) {
  const [left, right] = [Array.from(one), Array.from(other)];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at < 0) return left.length - right.length;
  return right[at] === undefined ? 1 : left[at].codePointAt(0) - right[at].codePointAt(0);
}
