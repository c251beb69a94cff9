// The public keys of envelopes: ECDSA with P-256 and SHA-256.
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { equalBytes, fromBase64, hex, trimmed, unhex } from "./text.js";

const PEM = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)\n-----END PUBLIC KEY-----$/;
// DER before the 64 bytes of a point of P-256, and the mark of an uncompressed one (RFC 5480).
const HEAD = unhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004");

/** A public key of P-256, as `/.well-known/hokusai.pub` has it. */
export class EnvelopeKey {
  #point;

  /** @throws {Error} This is not a public key of P-256 in PEM. */
  constructor(pem) {
    const encoded = PEM.exec(trimmed(pem.replaceAll("\r\n", "\n")))?.[1];
    if (encoded === undefined) throw new Error("an envelope key is a public key in PEM");
    const der = fromBase64(encoded.replaceAll("\n", ""));
    if (!equalBytes(der.subarray(0, HEAD.length), HEAD) || der.length !== HEAD.length + 64) {
      throw new Error("the envelope key is not a key of P-256");
    }
    this.#point = der.subarray(HEAD.length - 1);
    try {
      p256.Point.fromBytes(this.#point);
    } catch {
      throw new Error("the envelope key is not a point of P-256");
    }
    // The beginning of the SHA-256 of the key.
    this.name = hex(sha256(der)).slice(0, 16);
  }

  /** Whether a signature, in DER, is one of this key over a message. */
  hasSigned(message, signature) {
    try {
      return p256.verify(signature, message, this.#point, { format: "der", lowS: false });
    } catch {
      return false;
    }
  }
}
