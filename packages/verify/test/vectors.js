// The vectors that this package shares with the Python packages, which make them.
import { readFileSync } from "node:fs";

const text = (name) =>
  readFileSync(new URL(`../../../hokusai-ml-platform/tests/vectors/${name}`, import.meta.url), "utf8");
const read = (name) => JSON.parse(text(name));

export const VECTORS = read("attestations_v1.json");
export const REPORTS = read("reports_v1.json");
export const BUNDLES = read("bundles_v1.json");
export const SIGNATURES = read("model_signatures_v1.json");
export const MODEL_FILES = read("model_files_v1.json");
// As text, of which each case has a line: `JSON.parse` would not tell 1.0 from 1.
export const ACCEPTANCES = text("acceptances_v1.json")
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => line.replace(/,$/, ""))
  .map((line) => ({ text: line, expected: JSON.parse(line).expected }));
export const PROVEN = read("proven_v1.json");
export const PROVEN_2 = read("proven_v2.json");

/** A copy of a document with another value at a path of names and indexes. */
export function changed(document, path, value) {
  const copy = structuredClone(document);
  const parent = path.slice(0, -1).reduce((place, step) => place[step], copy);
  // Also for a member of the name `__proto__`.
  Object.defineProperty(parent, path.at(-1), { value, enumerable: true, writable: true, configurable: true });
  return copy;
}
