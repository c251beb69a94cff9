// This package and the Python package `hokusai` come to the same report, in the same words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogExport, verify } from "../src/index.js";
import { canonicalJSON, parse } from "../src/strict_json.js";
import { REPORTS, VECTORS, changed } from "./vectors.js";

const DOCUMENTS = { ...VECTORS.attestations, revoked_later: VECTORS.revoked_later };

/** The document of a case: as it was issued, with another value somewhere, or as changed text. */
function documentOf({ document = "improvement", path, value, replace }) {
  if (replace) return REPORTS.text.replaceAll(replace[0], () => replace[1]);
  return path ? changed(DOCUMENTS[document], path, value) : DOCUMENTS[document];
}

/** What a value in `arguments` stands for: `@known` for a part of the vectors. */
const resolve = (value) => (typeof value === "string" && value.startsWith("@") ? VECTORS[value.slice(1)] : value);

function outcome(document, given) {
  const options = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, resolve(value)]));
  try {
    if ("log" in options) options.log = LogExport.read(options.log);
    const report = JSON.parse(JSON.stringify(verify(document, options)));
    return { ...report, checks: report.checks.map(({ name, result, detail }) => [name, result, detail]) };
  } catch (error) {
    return { error: error.name };
  }
}

/** Reasons that are about the form of JSON are those of each language's own parser. */
const withoutParser = ({ checks, ...report }) => ({
  ...report,
  checks: checks?.map(([name, result, detail]) => [name, result, detail.replace(/(not valid JSON): .*/, "$1")]),
});

for (const [index, given] of REPORTS.cases.entries()) {
  const about = JSON.stringify(given.path ?? given.replace ?? given.arguments).slice(0, 80);
  test(`report ${index}: ${about}`, () => {
    const document = documentOf(given);
    assert.deepEqual(withoutParser(outcome(document, given.arguments)), withoutParser(given.report));
    // As text it is the same document. A part of the cases, since signatures take their time.
    if (typeof document === "string" || index % 8 !== 0) return;
    const text = new TextEncoder().encode(JSON.stringify(document));
    assert.deepEqual(withoutParser(outcome(text, given.arguments)), withoutParser(given.report));
  });
}

test("the canonical text is that of Python's json.dumps", () => {
  for (const [text, expected] of REPORTS.canonical) {
    assert.equal(canonicalJSON(parse(text)), expected);
  }
});
