// A bundle of an attestation: an in-toto statement in DSSE in a Sigstore bundle v0.3.
import { CheckFailed, NotChecked } from "./errors.js";
import { listAt, objectAt, textAt } from "./json_fields.js";
import { openBundle } from "./sigstore_bundle.js";
import { Float, canonicalJSON, equalJSON } from "./strict_json.js";

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
  const { statement, signedBy } = openBundle(bundle, keys, PREDICATE_TYPE, "attestations");
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
