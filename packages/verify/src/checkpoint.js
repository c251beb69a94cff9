// Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519.
import { NoteKey } from "./note_key.js";
import { fromBase64 } from "./text.js";

// The types of signatures: of a log (C2SP signed-note), and of a witness (C2SP tlog-cosignature).
const ED25519 = 1;
const COSIGNATURE = 4;
const NUMBER = /^(?:0|[1-9][0-9]{0,15})$/;
const MAX_CHARACTERS = 64 * 1024;
// A note may carry signatures of others, up to 16 in all (C2SP). Each costs a verification.
const MAX_SIGNATURES = 16;

/** A log's public key. Its name is the log's, and so the origin of the log's checkpoints. */
export class LogKey extends NoteKey {
  /** @throws {Error} This is not a valid Ed25519 key of a log. */
  constructor(text) {
    super(text, ED25519, "log key");
  }

  /** Whether a signature line of a note is a valid signature of its body by this key. */
  hasSigned(body, line) {
    const raw = this.signature(line);
    return raw !== null && this.verifies(body, raw);
  }
}

/** A witness's public key, in the same form (C2SP tlog-cosignature, `cosignature/v1`). */
export class WitnessKey extends NoteKey {
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
 * @param {LogKey[]} keys The trusted keys; the first one that signed the note is in the result. A key signs
 *   only for the log of its name, which the origin line has.
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
  const key = keys.find((one) => one.name === lines[0] && signatures.some((line) => one.hasSigned(body, line)));
  // A key counts once, however often it is named.
  const distinct = new Map(witnesses.map((witness) => [witness.public, witness]));
  const cosignedBy = [...distinct.values()]
    .filter((witness) => signatures.some((line) => witness.hasSigned(body, line)))
    .map(String);
  return { origin: lines[0], size, root, signedBy: key === undefined ? null : String(key), cosignedBy };
}
