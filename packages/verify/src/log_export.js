// A copy of the log: the responses of `GET /api/attestations/log/entries`, page after page.
import { CheckFailed, DocumentError } from "./errors.js";
import { integerAt, listAt, textAt } from "./json_fields.js";
import { leafHash, roots } from "./merkle.js";
import { checkedCopy, decode, parse } from "./strict_json.js";
import { utf8 } from "./text.js";

// The longest text that JavaScript holds is a little more.
export const MAX_LOG_BYTES = 500 * 1024 * 1024;

/** The entries of the log from the first on. */
export class LogExport {
  #entries = [];

  /**
   * Read an export.
   * @param {string | Uint8Array | object | object[]} log One page, a list of pages, or text: JSON of
   *   either, or one page per line, as `hokusai log export` writes them.
   * @throws {DocumentError} This is none of these, or an entry from index 0 on is missing.
   */
  static read(log) {
    const isText = typeof log === "string" || log instanceof Uint8Array;
    const pages = isText ? parsePages(log) : Array.isArray(log) ? log.map(checkedCopy) : [checkedCopy(log)];
    const result = new LogExport();
    try {
      for (const page of pages) {
        for (const entry of listAt(page, "entries")) {
          const index = result.#entries.length;
          if (integerAt(entry, "index") !== index) throw new CheckFailed(`entry ${index} is missing`);
          result.#entries.push(textAt(entry, "entry"));
        }
      }
    } catch (error) {
      throw new DocumentError(`This is not an export of the log: ${error.message}.`);
    }
    return result;
  }

  /** The number of entries. */
  get size() {
    return this.#entries.length;
  }

  /** The root hash of the log at these sizes, without sizes beyond the export. */
  roots(...sizes) {
    return roots(this.#leaves(), sizes);
  }

  /**
   * The entry that revokes an attestation.
   * @param {string} digest The attestation's hash.
   * @returns {[number, string] | null} Its index and its reason, or null if there is no such entry.
   */
  revocation(digest) {
    for (const [index, text] of this.#entries.entries()) {
      // Parsing is slow, so only entries that contain the hash are parsed.
      if (!text.includes(digest)) continue;
      try {
        const entry = parse(text);
        if (textAt(entry, "kind") === "revoked" && textAt(entry, "attestation") === digest) {
          return [index, textAt(entry, "reason")];
        }
      } catch (error) {
        if (!(error instanceof CheckFailed || error instanceof DocumentError)) throw error;
      }
    }
    return null;
  }

  *#leaves() {
    for (const text of this.#entries) yield leafHash(utf8(text));
  }
}

function parsePages(log) {
  if (log.length > MAX_LOG_BYTES) throw new DocumentError(`The document is larger than ${MAX_LOG_BYTES / 1024} KiB.`);
  const text = typeof log === "string" ? log : decode(log);
  const lines = text.split(/\r\n|\n|\r/).filter((line) => /[^ \t]/.test(line));
  if (lines.length > 1) {
    try {
      return lines.map((line) => parse(line));
    } catch (error) {
      // One JSON document that is written over several lines.
      if (!(error instanceof DocumentError)) throw error;
    }
  }
  const document = parse(text, MAX_LOG_BYTES);
  return Array.isArray(document) ? document : [document];
}
