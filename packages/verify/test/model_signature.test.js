// This package and the Python package `hokusai` come to the same results on signatures of models and on
// directories, in the same words.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { hashDirectory } from "../src/directory.js";
import { hashFiles, verify, verifyModelSignature } from "../src/index.js";
import { listDigest, omsRoot } from "../src/model_files.js";
import { MODEL_FILES, SIGNATURES } from "./vectors.js";

const root = mkdtempSync(join(tmpdir(), "hokusai-model-"));
after(() => rmSync(root, { recursive: true }));

/** A directory with these files. */
function directoryOf(files) {
  const directory = mkdtempSync(join(root, "model-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}

/** The checks `model_signature` and `model` of a case, as `make_model_signatures.py` makes them. */
function outcome({ signature = SIGNATURES.signature, attestation, files, ...given }, envelopeKeys) {
  try {
    const model = given.model && hashDirectory(directoryOf(given.model));
    const report = attestation
      ? verify(attestation, { envelopeKeys, modelSignature: signature, model, files })
      : verifyModelSignature(signature, { envelopeKeys, model });
    const checks = report.checks.filter(({ name }) => ["model_signature", "model"].includes(name));
    return { ok: report.ok, ...Object.fromEntries(checks.map(({ name, result, detail }) => [name, [result, detail]])) };
  } catch (error) {
    return { error: error.name };
  }
}

/** Reasons that are about the form of JSON are those of each language's own parser. */
const withoutParser = (report) =>
  JSON.parse(JSON.stringify(report).replace(/(not valid JSON): [^"]*/, "$1"));

for (const [index, given] of SIGNATURES.cases.entries()) {
  const { envelopeKeys = [SIGNATURES.key], expected } = given;
  test(`signature ${index}: ${JSON.stringify(expected).slice(0, 80)}`, () => {
    assert.deepEqual(withoutParser(outcome(given, envelopeKeys)), withoutParser(expected));
    const text = given.signature && { ...given, signature: JSON.stringify(given.signature) };
    if (text) assert.deepEqual(withoutParser(outcome(text, envelopeKeys)), withoutParser(expected));
  });
}

test("directories have the digest of other programs", () => {
  for (const { files, oms_root: expected } of MODEL_FILES) {
    const directory = directoryOf(Object.fromEntries(files.map(({ path, content }) => [path, content])));
    const found = hashDirectory(directory);
    const known = new Map(files.map(({ path, size, sha256 }) => [path, { path, size, sha256 }]));
    assert.deepEqual(new Map(found.map((file) => [file.path, file])), known);
    assert.equal(omsRoot(found), expected);
    assert.equal(listDigest(found), listDigest(found.toReversed()));
  }
});

test("files that are chosen in a browser are hashed alike", async () => {
  for (const content of ["", "weights", "x".repeat(9 * 1024 * 1024)]) {
    const directory = directoryOf({ "data/one": content });
    const chosen = Object.assign(new Blob([content]), { webkitRelativePath: "model/data/one" });
    assert.deepEqual(await hashFiles([chosen]), hashDirectory(directory));
  }
});

test("links and what is no file are refused", () => {
  const directory = directoryOf({ a: "1" });
  symlinkSync(join(directory, "a"), join(directory, "link"));
  assert.throws(() => hashDirectory(directory), { name: "DocumentError", message: /link is a symbolic link\.$/ });
  assert.throws(() => hashDirectory(join(directory, "a")), { name: "DocumentError", message: /is not a directory/ });
  assert.throws(() => hashDirectory(join(directory, "none")), { name: "DocumentError", message: /is not a directory/ });
  const other = directoryOf({ a: "1" });
  symlinkSync(directory, join(other, "below"));
  assert.throws(() => hashDirectory(other), { name: "DocumentError", message: /below is a symbolic link\.$/ });
});

test("what is no list of files is an error of the caller", () => {
  for (const model of [[7], [{}], [{ path: "a", size: 1, sha256: "0" }], [{ path: "a", size: 1.5, sha256: "0".repeat(64) }]]) {
    assert.throws(() => verifyModelSignature(SIGNATURES.signature, { model }), { name: "InputError" });
  }
});
