// A bundle of an attestation: an in-toto statement in DSSE in a Sigstore bundle v0.3.
import { CheckFailed, DocumentError, NotChecked } from "./errors.js";
import { listAt, member, objectAt, textAt } from "./json_fields.js";
import { Float, canonicalJSON, equalJSON, parse } from "./strict_json.js";
import { concat, fromBase64, utf8 } from "./text.js";

const MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "https://hokus.ai/attestation/improvement/v1";

/**
 * Check that a bundle states an attestation, and that a trusted key has signed it.
 * @param {Map} bundle The bundle.
 * @param {EnvelopeKey[]} keys The trusted keys.
 * @param {string} digest The hash of the attestation.
 * @param {Map | null} data What its bytes say; null if the hash does not hold.
 * @returns {string} What holds, in words.
 * @throws {NotChecked} There is nothing to compare with, or no key to trust.
 * @throws {Error} The bundle is not one of this attestation.
 */
export function checkBundle(bundle, keys, digest, data) {
  if (data === null) throw new NotChecked("the hash does not hold, so there is nothing to compare with");
  const [payload, signature] = payloadOf(bundle);
  const signed = concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);
  const signedBy = keys.find((key) => key.hasSigned(signed, signature));
  if (keys.length > 0 && !signedBy) throw new CheckFailed("no envelope key that you trust has signed the bundle");
  const statement = statementOf(payload);
  if (member(statement, "_type") !== STATEMENT_TYPE) throw new CheckFailed("it has no in-toto statement of version 1");
  if (member(statement, "predicateType") !== PREDICATE_TYPE) {
    throw new CheckFailed("its statement is of another type than those about attestations");
  }
  const digests = new Set(listAt(statement, "subject").map((one) => textAt(one, "digest", "sha256")));
  if (!digests.has(digest)) throw new CheckFailed("its statement is about something else than these bytes");
  const expected = subjects(digest, data);
  if (digests.size !== expected.size || ![...digests].every((one) => expected.has(one))) {
    throw new CheckFailed("its statement is about other files than the attestation");
  }
  if (!equalJSON(objectAt(statement, "predicate", "attestation"), withTexts(data))) {
    throw new CheckFailed("its statement says something else than these bytes");
  }
  if (!signedBy) {
    throw new NotChecked("its statement is about these bytes, but you have named no envelope key to trust");
  }
  return `a statement about these bytes, signed by the envelope key ${signedBy.name}`;
}

/** The statement's bytes, and their signature. */
function payloadOf(bundle) {
  if (member(bundle, "mediaType") !== MEDIA_TYPE) throw new CheckFailed("it is not a Sigstore bundle of version 0.3");
  const envelope = objectAt(bundle, "dsseEnvelope");
  if (member(envelope, "payloadType") !== PAYLOAD_TYPE) throw new CheckFailed("its envelope has no in-toto statement");
  const signatures = listAt(envelope, "signatures");
  if (signatures.length !== 1) throw new CheckFailed("its envelope does not have exactly one signature");
  return [fromBase64(textAt(envelope, "payload")), fromBase64(textAt(signatures[0], "sig"))];
}

function statementOf(payload) {
  try {
    return parse(payload);
  } catch (error) {
    if (error instanceof DocumentError) throw new CheckFailed(`its statement cannot be read: ${error.message}`);
    throw error;
  }
}

/** The digests of what a statement has to be about: the bytes, and files that were read. */
function subjects(digest, data) {
  const files = data.get("files");
  const isRead = files instanceof Map && files.get("evidence") === "witnessed";
  return new Set(isRead ? [digest, String(files.get("sha256"))] : [digest]);
}

/** The same data with each number as text, as the bytes write it. */
function withTexts(value) {
  if (value instanceof Map) return new Map([...value].map(([name, inner]) => [name, withTexts(inner)]));
  if (Array.isArray(value)) return value.map(withTexts);
  return typeof value === "number" || value instanceof Float ? canonicalJSON(value) : value;
}
