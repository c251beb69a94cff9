// Verifying an attestation from documents alone, without sending any request.
import { Verification } from "./checks.js";
import { DocumentError, InputError } from "./errors.js";
import { checkedCopy, parse } from "./strict_json.js";
import { Trust } from "./trust.js";

/**
 * Verify an attestation. index.d.ts describes arguments and result.
 * @throws {DocumentError} The attestation is not a JSON object, is too large or too deep, or one of the
 *   other documents is not what it should be. Whatever else is wrong with it is in the report.
 * @throws {InputError} An address or a key is not valid, or a consistency proof has no checkpoint.
 */
export function verify(
  attestation,
  options = {},
) {
  const { attestors = [], logKeys = [], envelopeKeys = [], circuits = [], witnesses = [], quorum } = options;
  const { known, checkpoint, consistency, log, bundle } = options;
  const document = parsed(attestation, "An attestation");
  if (document.has("dsseEnvelope")) {
    throw new DocumentError("This is a bundle of an attestation. Verify the attestation, with this as its bundle.");
  }
  const lists = [attestors, logKeys, envelopeKeys, circuits, witnesses].map((given) => [given].flat());
  const trust = new Trust(...lists, quorum);
  if (known !== undefined) trust.add(known);
  let proof;
  if (consistency !== undefined) {
    proof = checkedCopy(consistency);
    if (!(proof instanceof Map)) throw new DocumentError("A consistency proof is a JSON object.");
    if (checkpoint === undefined) throw new InputError("A consistency proof requires a checkpoint to begin or end at.");
  }
  const saved = checkpoint === undefined ? undefined : parseSaved(checkpoint, trust);
  const stated = bundle === undefined ? undefined : parsed(bundle, "A bundle");
  return new Verification(document, trust, saved, proof, log, stated).report();
}

function parsed(given, what) {
  const isText = typeof given === "string" || given instanceof Uint8Array;
  const document = isText ? parse(given) : checkedCopy(given);
  if (!(document instanceof Map)) throw new DocumentError(`${what} is a JSON object.`);
  return document;
}

function parseSaved(checkpoint, trust) {
  if (typeof checkpoint !== "string") {
    throw new InputError("A checkpoint is a text, as GET /api/attestations/log returns it.");
  }
  try {
    return trust.checkpoint(checkpoint);
  } catch (error) {
    throw new DocumentError(`Your checkpoint is not a valid checkpoint: ${error.message}.`);
  }
}
