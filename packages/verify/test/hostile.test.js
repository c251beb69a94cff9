// Any input leads to a report or to one of the package's own errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DocumentError, InputError, LogExport, printable, verify } from "../src/index.js";
import { VECTORS, changed } from "./vectors.js";

const IMPROVEMENT = VECTORS.attestations.improvement;
const VALUES = [null, true, 0, -1, 0.5, 2 ** 60, NaN, "", "0x", `0x${"ff".repeat(65)}`, "\ud800", [], {}, [[]], undefined];
const options = { known: VECTORS.known, log: LogExport.read(VECTORS.log_pages), checkpoint: VECTORS.checkpoint };

function* paths(value, path = []) {
  if (path.length > 0) yield path;
  if (value !== null && typeof value === "object") {
    for (const name of Object.keys(value)) yield* paths(value[name], [...path, name]);
  }
}

function reportOn(document) {
  try {
    return verify(document, options);
  } catch (error) {
    assert.ok(error instanceof DocumentError || error instanceof InputError, error.stack);
    return null;
  }
}

test("any value at any path", () => {
  for (const [at, path] of [...paths(IMPROVEMENT)].entries()) {
    // One value for each path, in turn, since signatures take their time.
    JSON.stringify(reportOn(changed(IMPROVEMENT, path, VALUES[at % VALUES.length])));
  }
});

test("any document", () => {
  for (const value of VALUES) {
    assert.ok(!reportOn(value)?.ok);
    assert.ok(!reportOn(JSON.stringify(value) ?? "")?.ok);
    // A list of no pages is a copy of an empty log.
    if (String(value)) assert.throws(() => LogExport.read(value ?? 0), { name: "DocumentError" });
    if (value === undefined) continue;
    assert.throws(() => verify(IMPROVEMENT, { known: value }), { name: "DocumentError" });
  }
});

test("entries of other kinds in a copy of the log", () => {
  const digest = "9f".repeat(32);
  const entries = [
    { kind: "benchmark", subject: digest, reason: "of another kind" },
    { kind: "revoked", attestation: digest, reason: "It leaked." },
  ].map((entry, index) => ({ index, kind: entry.kind, attestation: null, entry: JSON.stringify(entry) }));
  assert.deepEqual(LogExport.read({ entries }).revocation(digest), [1, "It leaked."]);
  assert.equal(LogExport.read({ entries: entries.slice(0, 1) }).revocation(digest), null);
});

test("any bytes", () => {
  for (const bytes of [[], [0xff], [0xef, 0xbb, 0xbf], [0x7b], Array(100).fill(0x5b), Array(100_000).fill(0x5b)]) {
    assert.equal(reportOn(Uint8Array.from(bytes)), null);
  }
  assert.equal(reportOn(" ".repeat(9 * 1024 * 1024)), null);
  assert.equal(reportOn(`[${"1,".repeat(1_000_000)}1]`), null);
});

test("a document that contains itself", () => {
  const document = {};
  document.data = document;
  assert.equal(reportOn(document), null);
});

test("a prototype cannot be reached", () => {
  const report = reportOn('{"__proto__": {"hash": "x", "bytes": "y"}, "constructor": 1}');
  assert.equal(report.check("hash").detail, "bytes is missing");
  assert.deepEqual(report.unsigned, ["__proto__", "constructor"]);
  assert.equal({}.hash, undefined);
});

test("characters that control a terminal or turn the text are replaced", () => {
  assert.equal(printable("a\u001b[2J\u202eb\u0000\n\u200d\ufeff"), "a\ufffd[2J\ufffdb\ufffd\ufffd\ufffd\ufffd");
  assert.equal(printable("Überraschung 葛飾 😀"), "Überraschung 葛飾 😀");
});
