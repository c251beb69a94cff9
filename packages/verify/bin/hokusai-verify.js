#!/usr/bin/env node
// `npx @hokusai/verify attestation.json`: verify an attestation offline.
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { hashDirectory } from "../src/directory.js";
import {
  DocumentError,
  InputError,
  LogExport,
  MAX_BYTES,
  MAX_LOG_BYTES,
  printable,
  verify,
  verifyModelSignature,
} from "../src/index.js";

const USAGE = `Usage: hokusai-verify [FILE] [options]

Verify an attestation in FILE (- for standard input), offline; or, without FILE, a model's signature.

  --attestor ADDRESS   The Ethereum address of an attestor to trust. Repeatable.
  --log-key KEY        A public key of the log, NAME+ID+BASE64. Repeatable.
  --key KEY            Either of the two, known by its form. Repeatable.
  --known FILE         A saved /.well-known/hokusai-attestor.json, which has attestors and keys.
  --bundle FILE        A bundle of the attestation, to check as well.
  --envelope-key FILE  A saved /.well-known/hokusai.pub, whose key to trust for bundles and signatures of
                       models. Repeatable.
  --model DIR          A directory with the model's files, to compare with the attestation or the signature.
  --files FILE         The list of the model's files, to tell which differ; by default the one that
                       "hokusai models download" has stored beside the directory.
  --model-signature FILE
                       A saved /api/models/{id}/model.sig, to check as well, or alone without FILE.
  --circuit ID         The identifier of a circuit whose proofs to trust. Repeatable.
  --witness KEY        The public key of a witness that must have cosigned the log. Repeatable.
  --quorum N           How many of the witnesses must have cosigned; by default all.
  --checkpoint FILE    A checkpoint of the log that you saved earlier.
  --consistency FILE   The log's proof that one checkpoint extends the other.
  --log FILE           A copy of the log, from "hokusai log export".
  --strict             Require that every check is made, also log and revocation.
  --json               Write the report as JSON.
  --help               Show this text.

Exit code 0 if hash, signature and signer (or else the model's signature) hold and no other check fails, 1 if
not, 2 if a file cannot be read or an option is not valid.`;
// Options that are about an attestation.
const ATTESTATION_ONLY = ["bundle", "files", "witness", "checkpoint", "consistency", "log"];
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
        ...{ model: file, files: file, "model-signature": file },
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

function readText(path) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(read(path));
  } catch (error) {
    if (error instanceof TypeError) throw new DocumentError(`${path} is not text in UTF-8.`);
    throw error;
  }
}

function show(report, passed) {
  for (const { name, result, detail } of report.checks) {
    console.log(printable(`${MARKS[result]}  ${name.replaceAll("_", " ").padEnd(15)} ${detail}`));
  }
  if (report.unsigned.length > 0) {
    console.log(printable(`Nobody signed these members: ${report.unsigned.join(", ")}.`));
  }
  console.log(printable(verdict(report, passed)));
}

function verdict(report, passed) {
  const isAttestation = report.essential.includes("signer");
  const what = isAttestation ? "The attestation" : "The signature of the model";
  if (passed) return isAttestation ? `${what} holds: ${report.kind}, signed by ${report.signer}.` : `${what} holds.`;
  if (report.ok) return "Some checks could not be made, and --strict requires all of them.";
  if (report.checks.some(({ result }) => result === "fails")) return `${what} does not hold.`;
  return isAttestation
    ? "No check fails, but no attestor is trusted: name one with --attestor."
    : "No check fails, but no key is trusted: name one with --envelope-key.";
}

/** The list that `hokusai models download` stored beside a directory, if it did. */
function storedList(directory) {
  const path = `${resolve(directory)}.files.json`;
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? path : undefined;
}

function main() {
  const { values, positionals } = options();
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const [path, ...more] = positionals;
  if (more.length > 0 || (path === undefined && values["model-signature"] === undefined)) {
    throw new InputError("Name one file with an attestation, or a --model-signature; --help lists the options.");
  }
  const given = (name, parse) => (values[name] === undefined ? undefined : parse(values[name]));
  const bytes = (from) => new Uint8Array(read(from));
  const trusted = {
    envelopeKeys: values["envelope-key"].map(readText),
    known: given("known", bytes),
    model: given("model", hashDirectory),
  };
  const report = path === undefined ? signatureAlone(values, trusted, bytes) : attestation(path, values, trusted, given, bytes);
  const passed = values.strict ? report.complete : report.ok;
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else show(report, passed);
  return passed ? 0 : 1;
}

function signatureAlone(values, trusted, bytes) {
  const name = ATTESTATION_ONLY.find((one) => values[one]?.length > 0);
  if (name) throw new InputError(`--${name} is about an attestation: name its file too.`);
  return verifyModelSignature(bytes(values["model-signature"]), trusted);
}

function attestation(path, values, trusted, given, bytes) {
  const isAddress = (key) => key.startsWith("0x");
  const files = values.files ?? (values.model === undefined ? undefined : storedList(values.model));
  return verify(bytes(path), {
    ...trusted,
    attestors: [...values.attestor, ...values.key.filter(isAddress)],
    logKeys: [...values["log-key"], ...values.key.filter((key) => !isAddress(key))],
    circuits: values.circuit,
    witnesses: values.witness,
    quorum: given("quorum", Number),
    bundle: given("bundle", bytes),
    files: files && bytes(files),
    modelSignature: given("model-signature", bytes),
    checkpoint: given("checkpoint", readText),
    consistency: given("consistency", bytes),
    log: given("log", (from) => LogExport.read(new Uint8Array(read(from, MAX_LOG_BYTES)))),
  });
}

try {
  process.exitCode = main();
} catch (error) {
  if (!(error instanceof DocumentError || error instanceof InputError)) throw error;
  console.error(printable(error.message));
  process.exitCode = 2;
}
