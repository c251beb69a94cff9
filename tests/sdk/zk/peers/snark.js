// Proves and verifies with snarkjs what a test sends: {zkey, key, witnesses, proofs}, where proofs
// are pairs of a proof and its public inputs.
const { readFileSync } = require("node:fs");
const { groth16 } = require("snarkjs");

async function main() {
  const { zkey, key, witnesses, proofs } = JSON.parse(readFileSync(0, "utf8"));
  const made = [];
  for (const file of witnesses) {
    const { proof, publicSignals } = await groth16.prove(zkey, file);
    made.push([proof, publicSignals]);
  }
  const verdicts = [];
  for (const [proof, inputs] of proofs) verdicts.push(await groth16.verify(key, inputs, proof));
  console.log(JSON.stringify({ made, verdicts }));
}

// Its worker threads would keep the process alive.
main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
