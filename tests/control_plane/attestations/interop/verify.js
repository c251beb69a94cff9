// Checks one attestation with the packages that others would use. Reads it, the well-known document
// and a MintRequest as JSON from standard input; writes what each package says. No network.
const { Offchain, OffchainAttestationVersion } = require("@ethereum-attestation-service/eas-sdk");
const ethers = require("ethers");
const viem = require("viem");
const crypto = require("node:crypto");

async function main(input) {
  const { attestation, known, mint } = JSON.parse(input);
  const { signature, eas } = attestation;
  const { domain, types, primaryType, message } = signature;

  const easDomain = known.eas.domain;
  const offchain = new Offchain(
    {
      address: easDomain.verifyingContract,
      version: easDomain.version,
      chainId: BigInt(easDomain.chainId),
    },
    OffchainAttestationVersion.Version2,
    undefined,
  );
  const tampered = structuredClone(eas.sig);
  tampered.message.recipient = "0x" + "11".repeat(20);
  const decoded = ethers.AbiCoder.defaultAbiCoder().decode(
    ["bytes32", "string"],
    eas.sig.message.data,
  );

  const { typed_data: request } = mint;
  return {
    hash: crypto.createHash("sha256").update(attestation.bytes, "utf8").digest("hex"),
    data: JSON.stringify(JSON.parse(attestation.bytes)) === JSON.stringify(attestation.data),
    ethers: ethers.verifyTypedData(domain, types, message, signature.signature),
    viem: await viem.recoverTypedDataAddress({
      domain,
      types,
      primaryType,
      message,
      signature: signature.signature,
    }),
    eas: offchain.verifyOffchainAttestationSignature(eas.signer, eas.sig),
    easTampered: offchain.verifyOffchainAttestationSignature(eas.signer, tampered),
    easUID: offchain.getOffchainUID(eas.sig.message) === eas.sig.uid,
    easSchema: ethers.solidityPackedKeccak256(
      ["string", "address", "bool"],
      [known.eas.schema, ethers.ZeroAddress, true],
    ),
    easData: [...decoded],
    mintDigest: ethers.TypedDataEncoder.hash(request.domain, request.types, request.message),
    mintEthers: ethers.verifyTypedData(
      request.domain,
      request.types,
      request.message,
      mint.signatures[0],
    ),
    mintViem: await viem.recoverTypedDataAddress({ ...request, signature: mint.signatures[0] }),
  };
}

let input = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (part) => (input += part));
process.stdin.on("end", () =>
  main(input).then(
    (result) => process.stdout.write(JSON.stringify(result)),
    (error) => {
      process.stderr.write(String(error.stack));
      process.exitCode = 1;
    },
  ),
);
