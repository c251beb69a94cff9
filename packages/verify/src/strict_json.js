// Parsing untrusted JSON strictly and within bounds, and writing its canonical text.
//
// `JSON.parse` would not do: it keeps the last of two equal keys, and does not tell 1.0 from 1, which
// the text that is hashed does.
import { DocumentError } from "./errors.js";
import { LONE_SURROGATE, sortedTexts } from "./text.js";

// An attestation of 500 contributors and 1,000 metrics takes about 1 MB.
export const MAX_BYTES = 8 * 1024 * 1024;
export const MAX_DEPTH = 64;
const MAX_VALUES = 1_000_000;
// Digits of 2^53 - 1, and a sign.
const MAX_INTEGER_CHARACTERS = 17;

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const MARK = /["\\[\]{}]/g;
const TOO_DEEP = `The document is nested more than ${MAX_DEPTH} levels deep.`;
const NO_TEXT = "A text contains half of a surrogate pair.";
const TOO_LARGE = "An integer is above 2^53 - 1.";
const WORDS = [["true", true], ["false", false], ["null", null]];
const SPECIAL = /["\\]|[^ -~]/g;
const SHORT = { '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A number with a fraction or an exponent, such as 1.0. A whole number is a JavaScript number. */
export class Float {
  constructor(value) {
    this.value = value;
  }
}

/**
 * Parse JSON of which every parser has the same understanding.
 *
 * Objects become `Map`s, so that no key has a meaning of its own, and numbers with a fraction or an
 * exponent become `Float`s.
 * @param {string | Uint8Array} text The JSON text.
 * @param {number} limit The largest accepted size, in bytes, or in characters of a string.
 * @throws {DocumentError} This is not valid JSON; parsers would disagree on it (a repeated key, a
 *   number that no double holds, an integer above 2^53 - 1, half of a surrogate pair); or it is too
 *   large, or nested more than `MAX_DEPTH` levels deep.
 */
export function parse(text, limit = MAX_BYTES) {
  if (text.length > limit) throw new DocumentError(`The document is larger than ${limit / 1024} KiB.`);
  const characters = typeof text === "string" ? text : decode(text);
  if (!/[^ \t\r\n]/.test(characters)) throw new DocumentError("The document is empty.");
  checkDepth(characters);
  return new Parser(characters).document();
}

/** Reject a text that is nested too deeply, by its brackets alone. */
function checkDepth(text) {
  let [depth, inString] = [0, false];
  MARK.lastIndex = 0;
  for (let found = MARK.exec(text); found !== null; found = MARK.exec(text)) {
    const [mark] = found;
    // What is escaped is no mark.
    if (inString && mark === "\\") MARK.lastIndex += 1;
    else if (mark === '"') inString = !inString;
    else if (!inString && (mark === "[" || mark === "{")) {
      depth += 1;
      if (depth > MAX_DEPTH) throw new DocumentError(TOO_DEEP);
    } else if (!inString && mark !== "\\") depth -= 1;
  }
}

/**
 * Bytes as text, without a byte order mark, which some editors put at the beginning of a file.
 * @throws {DocumentError} They are not UTF-8.
 */
export function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DocumentError("The document is not text in UTF-8.");
  }
}

/**
 * Parsed JSON data, such as the result of `JSON.parse`, in the form that `parse` returns.
 * @throws {DocumentError} A part is of another type, or exceeds the bounds of `parse`.
 */
export function checkedCopy(value) {
  const bounds = new Bounds();
  const copy = (item, levels) => {
    bounds.count(levels);
    if (item === null || typeof item === "boolean") return item;
    if (typeof item === "string") return bounds.text(item);
    if (typeof item === "number") {
      if (!Number.isFinite(item)) throw new DocumentError("A number is not finite.");
      return Number.isInteger(item) ? (Number.isSafeInteger(item) ? item + 0 : new Float(item)) : new Float(item);
    }
    if (Array.isArray(item)) return Array.from(item, (inner) => copy(inner, levels - 1));
    if (typeof item === "object") {
      const members = new Map();
      for (const [name, inner] of Object.entries(item)) {
        bounds.count(1);
        members.set(bounds.text(name), copy(inner, levels - 1));
      }
      return members;
    }
    throw new DocumentError(`JSON has no values of the type ${typeof item}.`);
  };
  return copy(value, MAX_DEPTH);
}

/** A document as JSON text, or parsed before, in the form that `parse` returns. Throws as these do. */
export const parsedOrCopied = (given) =>
  typeof given === "string" || given instanceof Uint8Array ? parse(given) : checkedCopy(given);

/** The text that is hashed: Python's `json.dumps(data, sort_keys=True)`. */
export function canonicalJSON(data) {
  if (data instanceof Map) {
    const members = sortedTexts(data.keys()).map((name) => `${quoted(name)}: ${canonicalJSON(data.get(name))}`);
    return `{${members.join(", ")}}`;
  }
  if (Array.isArray(data)) return `[${data.map(canonicalJSON).join(", ")}]`;
  if (typeof data === "string") return quoted(data);
  return data instanceof Float ? floatText(data.value) : String(data);
}

/** Whether two documents have the same meaning. 1 and 1.0 have, since JavaScript writes both as 1. */
export function equalJSON(one, other) {
  if (one instanceof Map) {
    return (
      other instanceof Map &&
      one.size === other.size &&
      [...one].every(([name, value]) => other.has(name) && equalJSON(value, other.get(name)))
    );
  }
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((item, at) => equalJSON(item, other[at]));
  }
  return scalar(one) === scalar(other);
}

/** Data in the form that `parse` returns, as ordinary JavaScript objects. */
export function plain(data) {
  if (data instanceof Map) {
    // `defineProperty` rather than an assignment, because of a key `__proto__`.
    const object = {};
    for (const [name, value] of data) {
      Object.defineProperty(object, name, { value: plain(value), enumerable: true, writable: true, configurable: true });
    }
    return object;
  }
  if (Array.isArray(data)) return data.map(plain);
  return scalar(data);
}

const scalar = (value) => (value instanceof Float ? value.value : value);

/** What every value is subject to, parsed or copied. */
class Bounds {
  #values = 0;

  /** Count a value. levels: how many levels are left for it. */
  count(levels = 1) {
    this.#values += 1;
    if (levels === 0) throw new DocumentError(TOO_DEEP);
    if (this.#values > MAX_VALUES) throw new DocumentError(`The document has more than ${MAX_VALUES} values.`);
  }

  text(value) {
    if (LONE_SURROGATE.test(value)) throw new DocumentError(NO_TEXT);
    return value;
  }
}

/**
 * One pass over a text. Its recursion is bounded by `checkDepth`.
 *
 * A text that is not JSON is refused for that, also where it exceeds a bound before: parsers that check the
 * bounds afterwards say the same.
 */
class Parser {
  #text;
  #at = 0;
  #bounds = new Bounds();
  // The first bound that is exceeded.
  #exceeded = null;

  constructor(text) {
    this.#text = text;
  }

  document() {
    const value = this.#value(MAX_DEPTH);
    this.#skip(SPACE);
    if (this.#at < this.#text.length) this.#fail("there is more after its end");
    if (this.#exceeded !== null) throw this.#exceeded;
    return value;
  }

  #value(levels) {
    // Not beyond this one, since all values are kept.
    this.#bounds.count();
    if (levels === 0) this.#exceeded ??= new DocumentError(TOO_DEEP);
    this.#skip(SPACE);
    const character = this.#text[this.#at];
    if (character === '"') return this.#string();
    if (character === "{") return this.#object(levels);
    if (character === "[") return this.#list(levels);
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #object(levels) {
    const members = new Map();
    this.#at += 1;
    while (!this.#ends("}", members.size === 0)) {
      this.#skip(SPACE);
      if (this.#text[this.#at] !== '"') this.#fail("a key is not text");
      this.#bounds.count();
      const name = this.#string();
      this.#skip(SPACE);
      if (this.#text[this.#at] !== ":") this.#fail("a colon is missing");
      this.#at += 1;
      const value = this.#value(levels - 1);
      if (members.has(name)) this.#fail("an object has the same key twice");
      members.set(name, value);
    }
    return members;
  }

  #list(levels) {
    const items = [];
    this.#at += 1;
    while (!this.#ends("]", items.length === 0)) items.push(this.#value(levels - 1));
    return items;
  }

  /** Whether an object or list ends here; a comma, which has to be there otherwise, is passed. */
  #ends(bracket, isFirst) {
    this.#skip(SPACE);
    if (this.#text[this.#at] === bracket) {
      this.#at += 1;
      return true;
    }
    if (isFirst) return false;
    if (this.#text[this.#at] !== ",") this.#fail("a comma or a closing bracket is missing");
    this.#at += 1;
    this.#skip(SPACE);
    // A comma with nothing behind it.
    if (this.#text[this.#at] === bracket) this.#fail("a value is missing");
    return false;
  }

  #string() {
    const parts = [];
    this.#at += 1;
    for (;;) {
      parts.push(this.#skip(PLAIN));
      const character = this.#text[this.#at];
      if (character === '"') break;
      if (character !== "\\") this.#fail("a text does not end, or contains a control character");
      const escape = this.#text[this.#at + 1];
      if (escape === "u") {
        const digits = this.#text.slice(this.#at + 2, this.#at + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail("an escape is not valid");
        parts.push(String.fromCharCode(Number.parseInt(digits, 16)));
        this.#at += 6;
      } else {
        if (!Object.hasOwn(ESCAPES, escape ?? "")) this.#fail("an escape is not valid");
        parts.push(ESCAPES[escape]);
        this.#at += 2;
      }
    }
    this.#at += 1;
    const text = parts.join("");
    if (LONE_SURROGATE.test(text)) this.#exceeded ??= new DocumentError(NO_TEXT);
    return text;
  }

  #number() {
    NUMBER.lastIndex = this.#at;
    const [token, fraction, exponent] = NUMBER.exec(this.#text) ?? [];
    if (token === undefined) this.#fail("a value is missing or not valid");
    this.#at += token.length;
    const value = Number(token);
    if (fraction !== undefined || exponent !== undefined) {
      if (!Number.isFinite(value)) this.#fail("a number is too large for a double");
      return new Float(value);
    }
    if (token.length > MAX_INTEGER_CHARACTERS) this.#fail("an integer is above 2^53 - 1");
    if (!Number.isSafeInteger(value)) this.#exceeded ??= new DocumentError(TOO_LARGE);
    return value + 0; // -0 is 0
  }

  #skip(pattern) {
    pattern.lastIndex = this.#at;
    const [passed] = pattern.exec(this.#text);
    this.#at += passed.length;
    return passed;
  }

  #fail(reason) {
    throw new DocumentError(`The document is not valid JSON: ${reason}`);
  }
}

function quoted(text) {
  const escaped = text.replace(
    SPECIAL,
    (character) => SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** A double as Python writes it: with at least one digit after the point, or as 1e-07 and 1e+16. */
function floatText(value) {
  if (Object.is(value, -0)) return "-0.0";
  const [mantissa, exponent] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  // JavaScript writes all of these without an exponent.
  const text = String(value);
  return text.includes(".") ? text : `${text}.0`;
}
