// Public keys of signed notes (C2SP signed-note), with Ed25519.
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equalBytes, fromBase64, hex, trimmed, utf8 } from "./text.js";

// The names of keys have no plus sign, no space and no control character. These are the spaces of Unicode,
// which `\s` of other languages has not all.
const NAME = /^[^+\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;
const SIGNATURE_MARK = "\u2014 ";

/** A public key, `<name>+<key id>+<base64>`. Each kind of key is a class of its own. */
export class NoteKey {
  #key;
  #id;

  /**
   * @param {string} text The key.
   * @param {number} type The byte for the kind of signatures.
   * @param {string} what What this kind is called in messages.
   * @throws {Error} This is not a valid key of this kind.
   */
  constructor(text, type, what) {
    // Base64 may contain plus signs; a name may not.
    const [, name, id, encoded] = /^([^+]+)\+([^+]*)\+([^]*)$/.exec(trimmed(text)) ?? [];
    if (!NAME.test(name ?? "")) throw new Error(`a ${what} has the form <name>+<key id>+<base64>`);
    const raw = fromBase64(encoded);
    if (raw.length !== 33 || raw[0] !== type) throw new Error(`the ${what} is not an Ed25519 key`);
    this.name = name;
    this.#id = sha256(concat(utf8(`${name}\n`), raw)).subarray(0, 4);
    if (hex(this.#id) !== id.toLowerCase()) throw new Error(`the id of the ${what} does not match its name and key`);
    this.#key = raw.subarray(1);
    try {
      ed25519.Point.fromBytes(this.#key);
    } catch {
      throw new Error(`the ${what} is not a point of Ed25519`);
    }
  }

  toString() {
    return `${this.name}+${hex(this.#id)}`;
  }

  /** The key in hexadecimal. */
  get public() {
    return hex(this.#key);
  }

  /** The bytes after the key id in a signature line of this key; null for other lines. */
  signature(line) {
    if (!line.startsWith(`${SIGNATURE_MARK}${this.name} `)) return null;
    try {
      const raw = fromBase64(line.slice(SIGNATURE_MARK.length + this.name.length + 1));
      return equalBytes(raw.subarray(0, 4), this.#id) ? raw.subarray(4) : null;
    } catch {
      return null;
    }
  }

  /** Whether a signature is one of this key over a text. */
  verifies(text, signature) {
    try {
      // RFC 8032, and not the looser rules of ZIP 215.
      return ed25519.verify(signature, utf8(text), this.#key, { zip215: false });
    } catch {
      return false;
    }
  }
}
