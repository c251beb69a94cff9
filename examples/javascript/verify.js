// Verifies the hash, the signature and the signer of an attestation, without the gateway.
//
//   node verify.js attestation.json 0x...    # the address of the attestor that you trust
//
// `hokusai verify` also checks the log, revocation and the EAS envelope.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { getAddress, verifyTypedData } from "ethers";

const TYPES = {
  Attestation: [
    { name: "attestationHash", type: "bytes32" },
    { name: "kind", type: "string" },
    { name: "issuedAt", type: "uint64" },
    { name: "nonce", type: "uint256" },
  ],
};

function require(holds, what) {
  if (!holds) throw new Error(`It does not hold: ${what}`);
}

const [file, attestor] = process.argv.slice(2);
if (!attestor) {
  console.error("usage: node verify.js attestation.json 0x...   (the attestor that you trust)");
  process.exit(2);
}
const { bytes, hash, signature } = JSON.parse(await readFile(file, "utf8"));

require(createHash("sha256").update(bytes, "utf8").digest("hex") === hash, "the hash");
const { domain, message } = signature;
require(domain.name === "HokusaiAttestation" && domain.version === "1", "the domain");
require(message.attestationHash === `0x${hash}`, "the signature is over another hash");
// The types are fixed here. A file that named them itself could choose what its signature means.
const signer = verifyTypedData(domain, TYPES, message, signature.signature);
require(signer === getAddress(attestor), `it was signed by ${signer}`);

// Use what the bytes say. Other members of the file only repeat it.
const data = JSON.parse(bytes);
require(data.kind === message.kind, "the kind");
console.log(`${signer} attests (${data.kind}): ${JSON.stringify(data.delta)}`);
