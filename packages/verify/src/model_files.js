// The files of a model: lists of them, and how two lists differ.
import { sha256 } from "@noble/hashes/sha2.js";
import { DocumentError } from "./errors.js";
import { canonicalJSON } from "./strict_json.js";
import { LONE_SURROGATE, compareCodePoints, hex, sortedTexts, unhex, utf8 } from "./text.js";

// Parts of paths at the top of a directory that OpenSSF Model Signing leaves out by default.
const OMS_IGNORED = [".git", ".gitattributes", ".github", ".gitignore"];
// What a gateway accepts as a path: bytes of it and of one part, and the number of parts.
const MAX_PATH = 1024;
const MAX_PART = 255;
const MAX_PARTS = 32;
// Differing files that a message names, and characters of a path that it repeats.
const MAX_NAMED = 5;
const MAX_QUOTED = 100;
const UNSAFE = /[\x00-\x1f\x7f\\]/;

/** 64 hexadecimal digits in lower case. */
export const isDigest = (text) => typeof text === "string" && /^[0-9a-f]{64}$/.test(text);

/** Whether an object has path, size and SHA-256 of a file. */
export const isFile = ({ path, size, sha256: digest }) =>
  typeof path === "string" && Number.isSafeInteger(size) && size >= 0 && isDigest(digest);

const byPath = (one, other) => compareCodePoints(one.path, other.path);

/** By the parts of their paths, so that `a/b` comes before `a-b`. */
function byParts(one, other) {
  const [left, right] = [one.path.split("/"), other.path.split("/")];
  const at = left.findIndex((part, index) => part !== right[index]);
  if (at < 0) return left.length - right.length;
  return right[at] === undefined ? 1 : compareCodePoints(left[at], right[at]);
}

/**
 * The digest by which OpenSSF Model Signing v1.0 names a model of these files. It binds their contents
 * and their order, and their paths only together with the list.
 */
export function omsRoot(files) {
  const signed = files.filter(({ path }) => !OMS_IGNORED.includes(path.split("/", 1)[0]));
  return rootOf(signed.sort(byParts).map((file) => file.sha256));
}

/** The SHA-256 of digests one after the other. */
export function rootOf(digests) {
  const hash = sha256.create();
  for (const digest of digests) hash.update(unhex(digest));
  return hex(hash.digest());
}

/** The SHA-256 of the list itself, which binds paths, sizes and the number of files. */
export function listDigest(files) {
  const listed = [...files].sort(byPath).map(({ path, size, sha256: digest }) => {
    return new Map(Object.entries({ path, size, sha256: digest }));
  });
  return hex(sha256(utf8(canonicalJSON(listed))));
}

/** Why a text is not the path of a file within a model; null for one that is. */
export function pathProblem(path) {
  const parts = path.split("/");
  if (parts.some((part) => ["", ".", ".."].includes(part))) {
    return 'it is not relative, or one of its parts is empty, "." or ".."';
  }
  if (UNSAFE.test(path)) return "it has a backslash or a control character";
  if (LONE_SURROGATE.test(path)) return "it is not Unicode text";
  const isLong = utf8(path).length > MAX_PATH || parts.length > MAX_PARTS;
  return isLong || parts.some((part) => utf8(part).length > MAX_PART) ? "it is too long" : null;
}

/**
 * The files of a list as a gateway or `hokusai models download` writes it.
 * @param {Map} document A JSON object whose member `items` has objects with `path`, `size` and `sha256`.
 * @returns {{path: string, size: number, sha256: string}[]}
 * @throws {DocumentError} It is not such a list, or a path could lead out of a directory.
 */
export function parseFiles(document) {
  const items = document.get("items");
  if (!Array.isArray(items)) throw new DocumentError("A list of files is a JSON object with the member items.");
  const files = items.map((item) => {
    const file = Object.fromEntries(["path", "size", "sha256"].map((name) => [name, item instanceof Map && item.get(name)]));
    if (!isFile(file)) throw new DocumentError("A file of the list has not the members path, size and sha256.");
    return file;
  });
  requireSafe(files.map(({ path }) => path));
  return files;
}

/**
 * Check that paths are those of different files within one directory.
 * @throws {DocumentError} One could lead out of it, two would have one place, or one is below another.
 */
export function requireSafe(paths) {
  for (const path of paths) {
    const problem = pathProblem(path);
    if (problem !== null) throw new DocumentError(`The path ${quoted(path)} of the list is not safe: ${problem}.`);
  }
  const distinct = new Set(paths);
  if (new Set(paths.map((path) => path.normalize("NFC"))).size !== paths.length) {
    throw new DocumentError("The list has the same path twice.");
  }
  for (const path of paths) {
    const parts = path.split("/");
    for (let end = 1; end < parts.length; end += 1) {
      const parent = parts.slice(0, end).join("/");
      if (distinct.has(parent)) throw new DocumentError(`The list has a file below the file ${quoted(parent)}.`);
    }
  }
}

const quoted = (path) => canonicalJSON(Array.from(path).slice(0, MAX_QUOTED).join(""));

/** How files differ from a list, in words; null if they do not. */
export function differences(listed, found) {
  const known = (files) => new Map(files.map(({ path, size, sha256: digest }) => [path, `${size} ${digest}`]));
  return differencesOf(known(listed), known(found));
}

/** The same of what is known of each file, by its path. */
export function differencesOf(before, after) {
  const paths = (from) => sortedTexts(from.keys());
  const different = [
    ...paths(before).filter((path) => !after.has(path)).map((path) => `${path} is missing`),
    ...paths(after).filter((path) => !before.has(path)).map((path) => `${path} is not in the list`),
    ...paths(before)
      .filter((path) => after.has(path) && before.get(path) !== after.get(path))
      .map((path) => `${path} is different`),
  ];
  if (different.length === 0) return null;
  const more = different.length - MAX_NAMED;
  return different.slice(0, MAX_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
