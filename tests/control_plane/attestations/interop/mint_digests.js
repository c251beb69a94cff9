// The digests of EIP-712 messages as viem and ethers compute them. Reads a list of typed data as
// JSON from standard input, in which large numbers are text; writes a list of pairs.
const ethers = require("ethers");
const viem = require("viem");

const read = async () => {
  let input = "";
  for await (const part of process.stdin.setEncoding("utf8")) input += part;
  return JSON.parse(input);
};

read().then((all) =>
  process.stdout.write(
    JSON.stringify(
      all.map(({ domain, ...rest }) => {
        // viem leaves a chain id that is text out of the domain.
        const read = { ...rest, domain: { ...domain, chainId: BigInt(domain.chainId) } };
        return [
          viem.hashTypedData(read),
          ethers.TypedDataEncoder.hash(read.domain, read.types, read.message),
        ];
      }),
    ),
  ),
);
