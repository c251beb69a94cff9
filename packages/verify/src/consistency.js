// Whether one checkpoint of the log extends another: what was in the log before still is.
import { parseCheckpoint } from "./checkpoint.js";
import { CheckFailed, DocumentError, NotChecked } from "./errors.js";
import { hashesAt, integerAt } from "./json_fields.js";
import { consistencyHolds } from "./merkle.js";
import { check } from "./report.js";
import { parsedOrCopied } from "./strict_json.js";
import { equalBytes } from "./text.js";
import { Trust } from "./trust.js";

/**
 * Check two checkpoints of one log, in any order. index.d.ts describes arguments and result.
 * @throws {DocumentError} One of the documents is not what it should be.
 * @throws {InputError} A key is not valid.
 */
export function checkConsistency(one, other, { proof, logKeys = [], log } = {}) {
  const trust = new Trust([], [logKeys].flat());
  const [left, right] = [one, other].map((note) => {
    try {
      return parseCheckpoint(note, trust.logKeys);
    } catch (error) {
      throw new DocumentError(`This is not a valid checkpoint: ${error.message}.`);
    }
  });
  const consistency = proof === undefined ? undefined : parsedOrCopied(proof);
  return check("consistency", () => {
    if (left.origin !== right.origin) {
      throw new CheckFailed(`one is a checkpoint of ${left.origin}, the other of ${right.origin}`);
    }
    if (trust.logKeys.length > 0 && !(left.signedBy && right.signedBy)) {
      throw new CheckFailed(`no log key that you trust for ${left.origin} has signed both checkpoints`);
    }
    const detail = extension(left, right, consistency, log);
    if (trust.logKeys.length > 0) return detail;
    return `${detail}; who signed them was not checked, because you have named no log key`;
  });
}

/**
 * The sentence that the larger of two checkpoints of one log extends the smaller one.
 * @param {Map<string, unknown>} [consistency] The log's proof between the two.
 * @param {LogExport} [log] A copy of the log, which proves it too.
 * @throws {CheckFailed} It does not.
 * @throws {NotChecked} Nothing proves it; the message says what would.
 */
export function extension(one, other, consistency, log, missing = nameProof) {
  const [first, second] = one.size <= other.size ? [one, other] : [other, one];
  if (first.size === second.size) {
    if (!equalBytes(first.root, second.root)) {
      throw new CheckFailed(
        `the log has shown two different trees of ${first.size} entries: keep both checkpoints, which prove it`,
      );
    }
  } else if (!isExtended(first, second, consistency, log)) {
    throw new NotChecked(missing(first, second));
  }
  return `the tree of ${second.size} entries extends that of ${first.size}`;
}

const nameProof = (first, second) =>
  `the sizes are ${first.size} and ${second.size}: ${proofAddress(first, second)}`;

/** What to fetch for a proof between two checkpoints. */
export const proofAddress = (first, second) =>
  `fetch /api/attestations/log/proof?first=${first.size}&second=${second.size}`;

function isExtended(first, second, consistency, log) {
  if (consistency !== undefined) {
    const [from, to] = [integerAt(consistency, "first"), integerAt(consistency, "tree_size")];
    if (from === first.size && to === second.size) {
      if (!consistencyHolds(from, to, hashesAt(consistency, "proof"), first.root, second.root)) {
        throw new CheckFailed("the proof does not lead from one checkpoint to the other");
      }
      return true;
    }
  }
  const roots = log?.roots(first.size, second.size);
  if (roots?.size !== 2) return false;
  if (![first, second].every(({ size, root }) => equalBytes(roots.get(size), root))) {
    throw new CheckFailed("the exported entries do not match both checkpoints");
  }
  return true;
}
