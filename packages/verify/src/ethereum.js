// Ethereum's hash, addresses and signatures, as far as verifying needs them.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { concat, hex, unhex, utf8 } from "./text.js";

const HEX = /^0x((?:[0-9a-fA-F]{2})*)$/;
// Half of the order of secp256k1.
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** The Keccak-256 hash, 32 bytes. It differs from SHA3-256. */
export const keccak = (data) => keccak_256(data);

/**
 * An address of any casing with its EIP-55 checksum.
 * @throws {Error} This is not a valid address.
 */
export function checksumAddress(text) {
  if (!/^0x[0-9A-Fa-f]{40}$/.test(text)) throw new Error("an Ethereum address is 0x and 40 hexadecimal digits");
  const digits = text.slice(2).toLowerCase();
  const nibbles = hex(keccak(utf8(digits)));
  return `0x${Array.from(digits, (digit, at) => (nibbles[at] > "7" ? digit.toUpperCase() : digit)).join("")}`;
}

/**
 * The bytes of `0x` and pairs of hexadecimal digits.
 * @throws {Error} The text has another form.
 */
export function fromHex(text) {
  const digits = HEX.exec(text)?.[1];
  if (digits === undefined) throw new Error("this is not 0x and pairs of hexadecimal digits");
  return unhex(digits);
}

/**
 * The address, in EIP-55 form, whose key signed a hash.
 *
 * Only the canonical form of a signature is accepted, so that a signature cannot be altered into
 * another one that is valid too: s in the lower half of the order (EIP-2), v 27 or 28.
 * @param {Uint8Array} digest The 32 bytes that were signed.
 * @param {Uint8Array} signature r, s and v, 65 bytes.
 * @throws {Error} The signature is not canonical, or no key can have made it.
 */
export function recover(digest, signature) {
  if (signature.length !== 65) throw new Error("the signature is not the 65 bytes of r, s and v");
  const v = signature[64];
  if (v !== 27 && v !== 28) throw new Error("the signature's v is neither 27 nor 28");
  if (BigInt(`0x${hex(signature.subarray(32, 64))}`) > HALF_ORDER) {
    throw new Error("the signature's s is in the upper half of the order, which EIP-2 rejects");
  }
  let key;
  try {
    const recoverable = concat(Uint8Array.of(v - 27), signature.subarray(0, 64));
    const compressed = secp256k1.recoverPublicKey(recoverable, digest, { prehash: false });
    key = secp256k1.Point.fromBytes(compressed).toBytes(false);
  } catch {
    throw new Error("the signature is not valid for any key");
  }
  return checksumAddress(`0x${hex(keccak(key.subarray(1)).subarray(12))}`);
}
