// Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519.
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equalBytes, fromBase64, hex, utf8 } from "./text.js";

// The types of signatures: of a log (C2SP signed-note), and of a witness (C2SP tlog-cosignature).
const ED25519 = 1;
const COSIGNATURE = 4;
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
  constructor(text, type = ED25519, what = "log key") {
    // Base64 may contain plus signs; a name may not.
    const [, name, id, encoded] = /^([^+]+)\+([^+]*)\+([^]*)$/.exec(text.trim()) ?? [];
    if (name === undefined) throw new Error(`a ${what} has the form <name>+<key id>+<base64>`);
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

  /** Whether a signature line of a note is a valid signature of its body by this key. */
  hasSigned(body, line) {
    const raw = this.signature(line);
    return raw !== null && this.verifies(body, raw);
  }

  /** The bytes after the key id in a signature line of this key, or null. */
  signature(line) {
    if (!line.startsWith(`${SIGNATURE_MARK}${this.name} `)) return null;
    try {
      const raw = fromBase64(line.slice(SIGNATURE_MARK.length + this.name.length + 1));
      return equalBytes(raw.subarray(0, 4), this.#id) ? raw.subarray(4) : null;
    } catch {
      return null;
    }
  }

  verifies(text, signature) {
    try {
      // RFC 8032, and not the looser rules of ZIP 215.
      return ed25519.verify(signature, utf8(text), this.#key, { zip215: false });
    } catch {
      return false;
    }
  }
}

/** A witness's public key, in the same form (C2SP tlog-cosignature, `cosignature/v1`). */
export class WitnessKey extends LogKey {
  /** @throws {Error} This is not a valid Ed25519 key of a witness. */
  constructor(text) {
    super(text, COSIGNATURE, "witness key");
  }

  /** Whether a line is a valid cosignature of a checkpoint by this witness. */
  hasSigned(body, line) {
    const raw = this.signature(line);
    if (raw === null || raw.length !== 72) return false;
    const time = new DataView(raw.buffer, raw.byteOffset).getBigUint64(0);
    return this.verifies(`cosignature/v1\ntime ${time}\n${body}`, raw.subarray(8));
  }
}

/**
 * Parse the checkpoint in a signed note.
 * @param {string} note The signed note.
 * @param {LogKey[]} keys The trusted keys; the first one that signed the note is in the result.
 * @param {WitnessKey[]} witnesses The trusted witnesses; all that cosigned the note are in the result.
 * @returns {{origin: string, size: number, root: Uint8Array, signedBy: string | null, cosignedBy: string[]}}
 * @throws {Error} This is not a valid checkpoint in a signed note.
 */
export function parseCheckpoint(note, keys, witnesses = []) {
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
  // A key counts once, however often it is named.
  const distinct = new Map(witnesses.map((witness) => [witness.public, witness]));
  const cosignedBy = [...distinct.values()]
    .filter((witness) => signatures.some((line) => witness.hasSigned(body, line)))
    .map(String);
  return { origin: lines[0], size, root, signedBy: key === undefined ? null : String(key), cosignedBy };
}
