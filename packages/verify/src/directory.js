// The files of a directory, with Node.js. A browser has no such function.
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DocumentError } from "./errors.js";

const CHUNK = 1024 * 1024;

/**
 * Hash the files of a directory and of those below it, hidden ones too.
 * @param {string} directory The directory.
 * @returns {{path: string, size: number, sha256: string}[]} What the option `model` takes.
 * @throws {DocumentError} It is not a directory, or has something that cannot be read, or that is neither a
 *   file nor a directory, such as a symbolic link.
 */
export function hashDirectory(directory) {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new DocumentError(`${directory} is not a directory.`);
  }
  const buffer = Buffer.allocUnsafe(CHUNK);
  return [...filesOf(directory, "", buffer)];
}

function* filesOf(directory, prefix, buffer) {
  for (const name of readable(directory, () => readdirSync(directory))) {
    const place = join(directory, name);
    const found = readable(place, () => lstatSync(place));
    if (found.isDirectory()) yield* filesOf(place, `${prefix}${name}/`, buffer);
    else if (found.isFile()) yield { path: prefix + name, ...readable(place, () => hashFile(place, buffer)) };
    else if (found.isSymbolicLink()) throw new DocumentError(`${place} is a symbolic link.`);
    else throw new DocumentError(`${place} is neither a file nor a directory.`);
  }
}

function hashFile(place, buffer) {
  const [digest, file] = [createHash("sha256"), openSync(place, "r")];
  let size = 0;
  try {
    for (let length; (length = readSync(file, buffer)) > 0; size += length) digest.update(buffer.subarray(0, length));
  } finally {
    closeSync(file);
  }
  return { size, sha256: digest.digest("hex") };
}

function readable(place, read) {
  try {
    return read();
  } catch (error) {
    throw new DocumentError(`${place} cannot be read: ${error.code ?? error.message}.`);
  }
}
