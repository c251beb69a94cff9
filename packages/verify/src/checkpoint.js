// Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519.
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equalBytes, fromBase64, hex, utf8 } from "./text.js";

const ED25519 = 1;
const SIGNATURE_MARK = "\u2014 ";
const NUMBER = /^(?:0|[1-9][0-9]{0,15})$/;
const MAX_CHARACTERS = 64 * 1024;
// A note may carry signatures of others, up to 16 in all (C2SP). Each costs a verification.
const MAX_SIGNATURES = 16;

/** A log's public key, `<name>+<key id>+<base64>` (C2SP signed-note). */
export class LogKey {
  #key;
  #id;

  /** @throws {Error} This is not a valid Ed25519 key in that form. */
  constructor(text) {
    // Base64 may contain plus signs; a name may not.
    const [, name, id, encoded] = /^([^+]+)\+([^+]*)\+([^]*)$/.exec(text.trim()) ?? [];
    if (name === undefined) throw new Error("a log key has the form <name>+<key id>+<base64>");
    const raw = fromBase64(encoded);
    if (raw.length !== 33 || raw[0] !== ED25519) throw new Error("the log key is not an Ed25519 key");
    this.name = name;
    this.#id = sha256(concat(utf8(`${name}\n`), raw)).subarray(0, 4);
    if (hex(this.#id) !== id.toLowerCase()) throw new Error("the id of the log key does not match its name and key");
    this.#key = raw.subarray(1);
    try {
      ed25519.Point.fromBytes(this.#key);
    } catch {
      throw new Error("the log key is not a point of Ed25519");
    }
  }

  toString() {
    return `${this.name}+${hex(this.#id)}`;
  }

  /** Whether a signature line of a note is a valid signature of its body by this key. */
  hasSigned(body, line) {
    if (!line.startsWith(`${SIGNATURE_MARK}${this.name} `)) return false;
    try {
      const raw = fromBase64(line.slice(SIGNATURE_MARK.length + this.name.length + 1));
      return (
        equalBytes(raw.subarray(0, 4), this.#id) &&
        // RFC 8032, and not the looser rules of ZIP 215.
        ed25519.verify(raw.subarray(4), utf8(body), this.#key, { zip215: false })
      );
    } catch {
      return false;
    }
  }
}

/**
 * Parse the checkpoint in a signed note.
 * @param {string} note The signed note.
 * @param {LogKey[]} keys The trusted keys; the first one that signed the note is in the result.
 * @returns {{origin: string, size: number, root: Uint8Array, signedBy: string | null}}
 * @throws {Error} This is not a valid checkpoint in a signed note.
 */
export function parseCheckpoint(note, keys) {
  if (note.length > MAX_CHARACTERS) throw new Error(`the checkpoint has more than ${MAX_CHARACTERS} characters`);
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n") || note.length === end + 2) throw new Error("the checkpoint is not a signed note");
  const body = note.slice(0, end + 1);
  const signatures = note.slice(end + 2).split("\n").slice(0, MAX_SIGNATURES);
  const lines = body.split("\n");
  const size = Number(lines[1]);
  if (lines.length < 4 || !lines[0] || !NUMBER.test(lines[1]) || !Number.isSafeInteger(size)) {
    throw new Error("the signed note is not a checkpoint");
  }
  const root = fromBase64(lines[2]);
  if (root.length !== 32) throw new Error("the root hash of the checkpoint is not 32 bytes");
  const key = keys.find((one) => signatures.some((line) => one.hasSigned(body, line)));
  return { origin: lines[0], size, root, signedBy: key === undefined ? null : String(key) };
}
