// The files of a directory that a person has chosen in a browser.
import { sha256 } from "@noble/hashes/sha2.js";
import { hex } from "./text.js";

// Bytes that are read at a time, so that a large file is never in memory as a whole.
const CHUNK = 4 * 1024 * 1024;

/** Hash chosen files, one after the other. index.d.ts describes arguments and result. */
export async function hashFiles(files) {
  const hashed = [];
  for (const file of files) {
    // The first part is the name of the chosen directory.
    const path = file.webkitRelativePath.replace(/^[^/]*\//, "");
    const hash = sha256.create();
    for (let start = 0; start < file.size; start += CHUNK) {
      hash.update(new Uint8Array(await file.slice(start, start + CHUNK).arrayBuffer()));
    }
    hashed.push({ path, size: file.size, sha256: hex(hash.digest()) });
  }
  return hashed;
}
