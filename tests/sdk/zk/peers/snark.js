// Proves and verifies with snarkjs what a test sends: {zkey, key, cases}. A case has a proof, or the
// file of a witness to prove, and a list of public inputs to verify the proof for.
const { readFileSync } = require("node:fs");
const { groth16 } = require("snarkjs");

async function main() {
  const { zkey, key, cases } = JSON.parse(readFileSync(0, "utf8"));
  const said = [];
  for (const { witness, proof, inputs } of cases) {
    const made = witness ? await groth16.prove(zkey, witness) : { proof };
    const verdicts = [];
    for (const one of inputs) verdicts.push(await groth16.verify(key, one, made.proof));
    said.push({ ...made, verdicts });
  }
  console.log(JSON.stringify(said));
}

// Its worker threads would keep the process alive.
main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
