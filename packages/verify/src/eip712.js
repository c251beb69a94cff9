// Hashing EIP-712 typed data, for the two flat types that attestations are signed as.
//
// The types are fixed here and never read from the document, which must not be able to choose what
// its signature means.
import { fromHex, keccak } from "./ethereum.js";
import { concat, unhex, utf8 } from "./text.js";

// The type of each member by its name, in the order in which they are hashed.
const DOMAIN = {
  name: "string",
  version: "string",
  chainId: "uint256",
  verifyingContract: "address",
};
export const ATTESTATION = {
  attestationHash: "bytes32",
  kind: "string",
  issuedAt: "uint64",
  nonce: "uint256",
};
// Off-chain attestations of the Ethereum Attestation Service, version 2.
export const ATTEST = {
  version: "uint16",
  schema: "bytes32",
  recipient: "address",
  time: "uint64",
  expirationTime: "uint64",
  revocable: "bool",
  refUID: "bytes32",
  data: "bytes",
  salt: "bytes32",
};

/**
 * The hash that is signed, 32 bytes.
 * @param {Map<string, unknown>} domain The values of the domain's members.
 * @param {string} name The name of the message's type.
 * @param {Record<string, string>} fields The members of that type.
 * @param {Map<string, unknown>} message Their values.
 * @throws {Error} A value is missing, superfluous or not of its type.
 */
export function typedDataDigest(domain, name, fields, message) {
  const separator = structHash("EIP712Domain", DOMAIN, domain);
  return keccak(concat(Uint8Array.of(0x19, 0x01), separator, structHash(name, fields, message)));
}

/** The member `types` of a document that is signed with this type. */
export const typesMember = (name, fields) =>
  new Map([[name, Object.entries(fields).map(([field, kind]) => new Map([["name", field], ["type", kind]]))]]);

function structHash(name, fields, values) {
  const names = Object.keys(fields);
  if (values.size !== names.length || !names.every((field) => values.has(field))) {
    throw new Error(`${name} has other members than its type`);
  }
  const signature = `${name}(${names.map((field) => `${fields[field]} ${field}`).join(",")})`;
  const encoded = names.map((field) => encode(name, field, fields[field], values.get(field)));
  return keccak(concat(keccak(utf8(signature)), ...encoded));
}

/** One value as 32 bytes. */
function encode(name, field, kind, value) {
  if (kind.startsWith("uint")) {
    if (Number.isSafeInteger(value) && value >= 0 && BigInt(value) < 1n << BigInt(kind.slice(4))) {
      return uint256(value);
    }
  } else if (kind === "bool") {
    if (typeof value === "boolean") return uint256(Number(value));
  } else if (typeof value === "string") {
    if (kind === "string") return keccak(utf8(value));
    const raw = fromHex(value);
    if (kind === "bytes") return keccak(raw);
    if (raw.length === (kind === "bytes32" ? 32 : 20)) return concat(new Uint8Array(32 - raw.length), raw);
  }
  throw new Error(`${name}.${field} is not a valid ${kind}`);
}

const uint256 = (value) => unhex(value.toString(16).padStart(64, "0"));
