// The command `hokusai-verify`, as its users run it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { BUNDLES, SIGNATURES, VECTORS, changed } from "./vectors.js";

const COMMAND = fileURLToPath(new URL("../bin/hokusai-verify.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "hokusai-verify-"));
after(() => rmSync(directory, { recursive: true }));

const IMPROVEMENT = VECTORS.attestations.improvement;
const { signer, log } = VECTORS.known;
const MODEL = SIGNATURES.cases.find(({ model }) => model).model;
const files = {
  good: JSON.stringify(IMPROVEMENT),
  bad: JSON.stringify(changed(IMPROVEMENT, ["data", "metrics", "accuracy"], 0.99)),
  noted: JSON.stringify({ ...IMPROVEMENT, "no\u001bte": 1 }),
  broken: "{",
  // Which of the two signers it names depends on who reads it.
  twice: JSON.stringify(VECTORS.known).replace("{", `{"signer": "${signer}", `),
  latin: new Uint8Array([0xe9]),
  marked: `\ufeff${JSON.stringify(VECTORS.known)}`,
  known: JSON.stringify(VECTORS.known),
  checkpoint: VECTORS.early_checkpoint,
  consistency: JSON.stringify(VECTORS.consistency),
  bundle: JSON.stringify(BUNDLES.bundle),
  "hokusai.pub": BUNDLES.key,
  "model.sig": JSON.stringify(SIGNATURES.signature),
  ...Object.fromEntries(Object.entries(MODEL).map(([path, content]) => [`model/${path}`, content])),
  ...Object.fromEntries(Object.entries({ ...MODEL, "a-b": "x" }).map(([path, content]) => [`other/${path}`, content])),
  "listed/a": "",
  "listed.files.json": "{}",
  log: VECTORS.log_pages.map((page) => JSON.stringify(page)).join("\n"),
};
for (const [name, content] of Object.entries(files)) {
  mkdirSync(dirname(join(directory, name)), { recursive: true });
  writeFileSync(join(directory, name), content);
}

function run(args, input) {
  const done = spawnSync(process.execPath, [COMMAND, ...args], { cwd: directory, input, encoding: "utf8" });
  return [done.status, done.stdout, done.stderr];
}

for (const [args, code, words] of [
  ["good --attestor " + signer, 0, "The attestation holds: witnessed, signed by " + signer],
  ["good --key " + signer + " --key " + log.key, 0, "ok  checkpoint"],
  ["good --log-key " + log.key, 1, "name one with --attestor"],
  ["good --known known --strict", 1, "--strict requires all of them"],
  ["good --known known --strict --checkpoint checkpoint --consistency consistency --log log", 0, "ok  revocation"],
  ["good --known known --bundle bundle --envelope-key hokusai.pub", 0, "ok  bundle"],
  ["good --known known --bundle bundle", 0, "--  bundle"],
  ["good", 1, "but no attestor is trusted"],
  ["good --known marked", 0, "The attestation holds"],
  ["bad --known known", 1, "NO  hash"],
  ["noted --known known", 0, "Nobody signed these members: no\ufffdte."],
  ["--model-signature model.sig --envelope-key hokusai.pub --model model --strict", 0, "The signature of the model holds."],
  ["--model-signature model.sig --envelope-key hokusai.pub --model other", 1, "a-b is different"],
  ["--model-signature model.sig --envelope-key hokusai.pub --model other", 1, "The signature of the model does not hold."],
  ["--model-signature model.sig --model model", 1, "name one with --envelope-key"],
  ["good --known known --model-signature model.sig --envelope-key hokusai.pub", 1, "NO  model signature the attestation names"],
  ["good --known known --model model", 1, "NO  model           the attestation names no files"],
  ["--help", 0, "Usage: hokusai-verify [FILE]"],
]) {
  test(args.slice(0, 80), () => {
    const [status, stdout, stderr] = run(args.split(" "));
    assert.equal(stderr, "");
    assert.equal(status, code, stdout);
    assert.ok(stdout.includes(words), stdout);
  });
}

for (const [args, words] of [
  ["", "Name one file"],
  ["--model-signature model.sig --log log", "--log is about an attestation"],
  ["--model-signature model.sig --witness x", "--witness is about an attestation"],
  ["--model-signature broken", "not valid JSON"],
  ["--model-signature model.sig --model none", "none is not a directory."],
  ["good --files log", "A list of files requires the directory"],
  ["good --model listed", "A list of files is a JSON object with the member items."],
  ["good bad", "Name one file"],
  ["none", "none cannot be read: ENOENT."],
  [".", ". cannot be read: EISDIR."],
  ["broken", "not valid JSON"],
  ["good --known broken", "not valid JSON"],
  ["good --known twice", "not valid JSON"],
  ["good --checkpoint latin", "latin is not text in UTF-8."],
  ["good --attestor 0x12", "A trusted attestor or key is not valid"],
  ["good --checkpoint broken", "Your checkpoint is not a valid checkpoint"],
  ["good --log broken", "not valid JSON"],
  ["good --envelope-key broken", "A trusted attestor or key is not valid"],
  ["good --bundle broken", "not valid JSON"],
  ["bundle --known known", "This is a bundle, and not an attestation."],
  ["good --colour", "--colour"],
]) {
  test(`an error: ${args}`, () => {
    const [status, stdout, stderr] = run(args.split(" ").filter(Boolean));
    assert.equal(stdout, "");
    assert.equal(status, 2);
    assert.ok(stderr.includes(words), stderr);
    assert.equal(stderr.trim().split("\n").length, 1);
  });
}

test("a report as JSON, of standard input", () => {
  const [status, stdout] = run(["-", "--known", "known", "--json"], files.good);
  assert.equal(status, 0);
  const report = JSON.parse(stdout);
  assert.deepEqual([report.ok, report.complete, report.kind], [true, false, "witnessed"]);
});
