// Reading members of a document in which any member may be missing or have another type. Each
// function throws `CheckFailed` where there is no such value. Objects are `Map`s: see strict_json.js.
import { CheckFailed } from "./errors.js";
import { unhex } from "./text.js";

const HASH = /^[0-9a-fA-F]{64}$/;

/** The value at a path of names, such as "log", "index". */
export function member(document, ...path) {
  let value = document;
  for (const name of path) {
    if (!(value instanceof Map) || !value.has(name)) throw new CheckFailed(`${path.join(".")} is missing`);
    value = value.get(name);
  }
  return value;
}

/** The JSON object at a path. */
export function objectAt(document, ...path) {
  const value = member(document, ...path);
  if (value instanceof Map) return value;
  throw new CheckFailed(`${path.join(".")} is not an object`);
}

/** The list at a path. */
export function listAt(document, ...path) {
  const value = member(document, ...path);
  if (Array.isArray(value)) return value;
  throw new CheckFailed(`${path.join(".")} is not a list`);
}

/** The string at a path. */
export function textAt(document, ...path) {
  const value = member(document, ...path);
  if (typeof value === "string") return value;
  throw new CheckFailed(`${path.join(".")} is not text`);
}

/** The list of strings at a path. */
export function textsAt(document, ...path) {
  const values = listAt(document, ...path);
  if (values.every((item) => typeof item === "string")) return values;
  throw new CheckFailed(`${path.join(".")} has a member that is not text`);
}

/** The integer at a path, which must not be negative. */
export function integerAt(document, ...path) {
  const value = member(document, ...path);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new CheckFailed(`${path.join(".")} is not a non-negative integer`);
}

/** The list of hashes at a path, each 64 hexadecimal digits, as 32 bytes each. */
export function hashesAt(document, ...path) {
  return listAt(document, ...path).map((item) => {
    if (typeof item === "string" && HASH.test(item)) return unhex(item);
    throw new CheckFailed(`${path.join(".")} has a member that is not 64 hexadecimal digits`);
  });
}
