// Opening a Sigstore bundle v0.3 that has an in-toto statement in DSSE, signed by a bare key.
import { CheckFailed, DocumentError } from "./errors.js";
import { listAt, member, objectAt, textAt } from "./json_fields.js";
import { parse } from "./strict_json.js";
import { concat, fromBase64, utf8 } from "./text.js";

const MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";

/**
 * Open a bundle.
 * @param {Map} bundle The bundle.
 * @param {EnvelopeKey[]} keys The trusted keys.
 * @param {string} predicateType The type that its statement must have.
 * @param {string} what What statements of this type are about, for the message.
 * @returns {{statement: Map, signedBy: EnvelopeKey | undefined}} The in-toto statement, and the trusted
 *   key that signed it; undefined where no key is trusted.
 * @throws {Error} It is of another form or type, or none of the trusted keys has signed it.
 */
export function openBundle(bundle, keys, predicateType, what) {
  const [payload, signature] = payloadOf(bundle);
  const signed = concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);
  const signedBy = keys.find((key) => key.hasSigned(signed, signature));
  if (keys.length > 0 && !signedBy) throw new CheckFailed("no envelope key that you trust has signed it");
  const statement = statementOf(payload);
  if (member(statement, "_type") !== STATEMENT_TYPE) throw new CheckFailed("it has no in-toto statement of version 1");
  if (member(statement, "predicateType") !== predicateType) {
    throw new CheckFailed(`its statement is of another type than those about ${what}`);
  }
  return { statement, signedBy };
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
