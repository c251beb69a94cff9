// Verifying an attestation from documents alone, without sending any request.
import { Verification } from "./checks.js";
import { DocumentError, InputError } from "./errors.js";
import { isFile, parseFiles } from "./model_files.js";
import { checkModelSignature } from "./model_signature.js";
import { parsedOrCopied } from "./strict_json.js";
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
  const { known, checkpoint, consistency, log, bundle, model, files, modelSignature } = options;
  const document = parsed(attestation, "An attestation");
  if (document.has("dsseEnvelope")) {
    throw new DocumentError(
      "This is a bundle, and not an attestation. Verify the attestation, with this as its bundle or as the " +
        "signature of its model.",
    );
  }
  const lists = [attestors, logKeys, envelopeKeys, circuits, witnesses].map((given) => [given].flat());
  const trust = new Trust(...lists, quorum);
  if (known !== undefined) trust.add(known);
  let proof;
  if (consistency !== undefined) {
    proof = parsed(consistency, "A consistency proof");
    if (checkpoint === undefined) throw new InputError("A consistency proof requires a checkpoint to begin or end at.");
  }
  const saved = checkpoint === undefined ? undefined : parseSaved(checkpoint, trust);
  const optional = (given, what) => (given === undefined ? undefined : parsed(given, what));
  if (files !== undefined && model === undefined) {
    throw new InputError("A list of files requires the directory to compare with it.");
  }
  const listed = optional(files, "A list of files");
  return new Verification(document, trust, {
    saved,
    consistency: proof,
    log,
    bundle: optional(bundle, "A bundle"),
    model: found(model),
    listed: listed && parseFiles(listed),
    signature: optional(modelSignature, "A signature"),
  }).report();
}

/**
 * Verify the signature of a model's files without an attestation. index.d.ts describes arguments and result.
 * @throws {DocumentError} The signature is not a JSON object, is too large or too deep, or one of the other
 *   documents is not what it should be.
 * @throws {InputError} A key is not valid.
 */
export function verifyModelSignature(modelSignature, { envelopeKeys = [], known, model } = {}) {
  const bundle = parsed(modelSignature, "A signature");
  const trust = new Trust([], [], [envelopeKeys].flat());
  if (known !== undefined) trust.add(known);
  return checkModelSignature(bundle, trust.envelopeKeys, found(model));
}

/** The files of a directory. */
function found(model) {
  if (model === undefined) return undefined;
  const files = Array.from(model, (file) => ({ ...file }));
  if (files.every(isFile)) return files;
  throw new InputError("The files of a directory are a list of objects with path, size and sha256.");
}

function parsed(given, what) {
  const document = parsedOrCopied(given);
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
