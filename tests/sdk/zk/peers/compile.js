// Compiles the contract on stdin, and writes its bytecode.
const { readFileSync } = require("node:fs");
const solc = require("solc");

const { contracts, errors = [] } = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources: { "verifier.sol": { content: readFileSync(0, "utf8") } },
      settings: {
        optimizer: { enabled: true, runs: 200 },
        outputSelection: { "*": { "*": ["evm.deployedBytecode.object"] } },
      },
    }),
  ),
);
for (const { formattedMessage } of errors) console.error(formattedMessage);
if (errors.length) process.exit(1);
process.stdout.write(contracts["verifier.sol"].HokusaiVerifier.evm.deployedBytecode.object);
