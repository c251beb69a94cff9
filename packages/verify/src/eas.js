// Off-chain attestations of the Ethereum Attestation Service (EAS), version 2.
import { CheckFailed } from "./errors.js";
import { ATTEST, typedDataDigest, typesMember } from "./eip712.js";
import { fromHex, keccak, recover } from "./ethereum.js";
import { integerAt, member, objectAt, textAt } from "./json_fields.js";
import { equalJSON } from "./strict_json.js";
import { concat, hex, unhex, utf8 } from "./text.js";

const DOMAIN_NAME = "EAS Attestation";
const TYPE = "Attest";
const VERSION = 2;
const SCHEMA = "bytes32 attestationHash,string kind";

/**
 * Verify an EAS envelope, and return the address of its signer in EIP-55 form.
 * @param {Map<string, unknown>} envelope The member `eas` of an attestation.
 * @param {string} digest The attestation's hash, 64 hexadecimal digits.
 * @param {string} kind The attestation's kind.
 * @throws {Error} The envelope is of another type or about something else, or a value or the
 *   signature is not valid.
 */
export function envelopeSigner(envelope, digest, kind) {
  const signed = objectAt(envelope, "sig");
  const message = objectAt(signed, "message");
  const domain = objectAt(signed, "domain");
  if (member(signed, "primaryType") !== TYPE || !equalJSON(member(signed, "types"), typesMember(TYPE, ATTEST))) {
    throw new CheckFailed("its type is not that of an EAS off-chain attestation, version 2");
  }
  if (integerAt(signed, "version") !== VERSION || integerAt(message, "version") !== VERSION) {
    throw new CheckFailed("its version is not 2");
  }
  if (member(domain, "name") !== DOMAIN_NAME) throw new CheckFailed("its domain is not that of EAS");
  if (member(message, "schema") !== schemaUID() || member(message, "data") !== schemaData(digest, kind)) {
    throw new CheckFailed("it attests something else");
  }
  const hashed = typedDataDigest(domain, TYPE, ATTEST, message);
  if (uid(message) !== textAt(signed, "uid")) throw new CheckFailed("its uid is not that of its message");
  const signature = objectAt(signed, "signature");
  const v = integerAt(signature, "v");
  if (v > 255) throw new CheckFailed("the signature's v is neither 27 nor 28");
  const rAndS = concat(fromHex(textAt(signature, "r")), fromHex(textAt(signature, "s")));
  const signer = recover(hashed, concat(rAndS, Uint8Array.of(v)));
  if (signer.toLowerCase() !== textAt(envelope, "signer").toLowerCase()) {
    throw new CheckFailed(`it is signed by ${signer}, not by the signer that it names`);
  }
  return signer;
}

/** The schema's id in EAS's registry: without a resolver (20 zero bytes), revocable (1). */
const schemaUID = () => `0x${hex(keccak(concat(utf8(SCHEMA), new Uint8Array(20), Uint8Array.of(1))))}`;

/** The schema's fields, ABI-encoded: hash, offset of the text, its length, the text. */
function schemaData(digest, kind) {
  const text = utf8(kind);
  const padding = new Uint8Array(-text.length & 31);
  return `0x${digest}${hex(bigEndian(64, 32))}${hex(bigEndian(text.length, 32))}${hex(text)}${hex(padding)}`;
}

/**
 * The attestation's id, as EAS's SDK derives it.
 *
 * It packs the schema as the text of its hexadecimal form. The message has been hashed before, so
 * that its values have the right types.
 */
function uid(message) {
  const packed = concat(
    bigEndian(message.get("version"), 2),
    utf8(message.get("schema")),
    fromHex(message.get("recipient")),
    new Uint8Array(20), // the attester, which EAS's SDK leaves empty
    bigEndian(message.get("time"), 8),
    bigEndian(message.get("expirationTime"), 8),
    Uint8Array.of(Number(message.get("revocable"))),
    fromHex(message.get("refUID")),
    fromHex(message.get("data")),
    fromHex(message.get("salt")),
    new Uint8Array(4), // the index, which is 0
  );
  return `0x${hex(keccak(packed))}`;
}

const bigEndian = (value, size) => unhex(value.toString(16).padStart(2 * size, "0"));
