#!/usr/bin/env node
// `npx @hokusai/verify attestation.json`: verify an attestation offline.
import { closeSync, openSync, readSync } from "node:fs";
import { parseArgs } from "node:util";
import { DocumentError, InputError, LogExport, MAX_BYTES, MAX_LOG_BYTES, printable, verify } from "../src/index.js";

const USAGE = `Usage: hokusai-verify FILE [options]

Verify an attestation in FILE (- for standard input), offline.

  --attestor ADDRESS   The Ethereum address of an attestor to trust. Repeatable.
  --log-key KEY        A public key of the log, NAME+ID+BASE64. Repeatable.
  --key KEY            Either of the two, known by its form. Repeatable.
  --known FILE         A saved /.well-known/hokusai-attestor.json, which has attestors and keys.
  --bundle FILE        A bundle of the attestation, to check as well.
  --envelope-key FILE  A saved /.well-known/hokusai.pub, whose key to trust for bundles. Repeatable.
  --circuit ID         The identifier of a circuit whose proofs to trust. Repeatable.
  --witness KEY        The public key of a witness that must have cosigned the log. Repeatable.
  --quorum N           How many of the witnesses must have cosigned; by default all.
  --checkpoint FILE    A checkpoint of the log that you saved earlier.
  --consistency FILE   The log's proof that one checkpoint extends the other.
  --log FILE           A copy of the log, from "hokusai log export".
  --strict             Require that every check is made, also log and revocation.
  --json               Write the report as JSON.
  --help               Show this text.

Exit code 0 if hash, signature and signer hold and no other check fails, 1 if not, 2 if a file cannot be
read or an option is not valid.`;
const MARKS = { holds: "ok", fails: "NO", unchecked: "--" };

function options() {
  const repeated = { type: "string", multiple: true, default: [] };
  const file = { type: "string" };
  const flag = { type: "boolean", default: false };
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        ...{ attestor: repeated, "log-key": repeated, key: repeated, "envelope-key": repeated, circuit: repeated },
        ...{ known: file, bundle: file, checkpoint: file, consistency: file, log: file },
        ...{ witness: repeated, quorum: file, strict: flag, json: flag, help: flag },
      },
    });
  } catch (error) {
    throw new InputError(error.message);
  }
}

/** The bytes of a file, or of standard input for `-`, at most `limit` of them. */
function read(path, limit = MAX_BYTES) {
  const name = path === "-" ? "Standard input" : path;
  let file;
  try {
    file = path === "-" ? 0 : openSync(path, "r");
    const chunks = [];
    for (let size = 0; size <= limit; ) {
      const chunk = Buffer.alloc(64 * 1024);
      const length = readSync(file, chunk);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
      size += length;
    }
  } catch (error) {
    throw new DocumentError(`${name} cannot be read: ${error.code ?? error.message}.`);
  } finally {
    if (file) closeSync(file);
  }
  throw new DocumentError(`${name} is larger than ${limit / 1024} KiB.`);
}

function readJSON(path) {
  try {
    return JSON.parse(read(path).toString());
  } catch (error) {
    if (error instanceof SyntaxError) throw new DocumentError(`${path} is not valid JSON.`);
    throw error;
  }
}

function show(report, passed) {
  for (const { name, result, detail } of report.checks) {
    console.log(printable(`${MARKS[result]}  ${name.padEnd(12)} ${detail}`));
  }
  if (report.unsigned.length > 0) {
    console.log(printable(`Nobody signed these members: ${report.unsigned.join(", ")}.`));
  }
  let verdict = "No check fails, but no attestor is trusted: name one with --attestor.";
  if (passed) verdict = `The attestation holds: ${report.kind}, signed by ${report.signer}.`;
  else if (report.ok) verdict = "Some checks could not be made, and --strict requires all of them.";
  else if (report.checks.some(({ result }) => result === "fails")) verdict = "The attestation does not hold.";
  console.log(printable(verdict));
}

function main() {
  const { values, positionals } = options();
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (positionals.length !== 1) throw new InputError("Name one file with an attestation; --help lists the options.");
  const given = (name, parse) => (values[name] === undefined ? undefined : parse(values[name]));
  const isAddress = (key) => key.startsWith("0x");
  const report = verify(new Uint8Array(read(positionals[0])), {
    attestors: [...values.attestor, ...values.key.filter(isAddress)],
    logKeys: [...values["log-key"], ...values.key.filter((key) => !isAddress(key))],
    envelopeKeys: values["envelope-key"].map((path) => read(path).toString()),
    circuits: values.circuit,
    witnesses: values.witness,
    quorum: given("quorum", Number),
    known: given("known", readJSON),
    bundle: given("bundle", (path) => new Uint8Array(read(path))),
    checkpoint: given("checkpoint", (path) => read(path).toString()),
    consistency: given("consistency", readJSON),
    log: given("log", (path) => LogExport.read(new Uint8Array(read(path, MAX_LOG_BYTES)))),
  });
  const passed = values.strict ? report.complete : report.ok;
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else show(report, passed);
  return passed ? 0 : 1;
}

try {
  process.exitCode = main();
} catch (error) {
  if (!(error instanceof DocumentError || error instanceof InputError)) throw error;
  console.error(printable(error.message));
  process.exitCode = 2;
}
