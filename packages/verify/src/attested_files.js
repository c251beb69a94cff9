// Comparing the files of a directory with the files of an attested model.
import { CheckFailed, NotChecked } from "./errors.js";
import { textAt } from "./json_fields.js";
import { differences, listDigest, omsRoot } from "./model_files.js";
import { signedDifference } from "./model_signature.js";

/**
 * Check that files are those of the attested model.
 * @param {Map | null} data What the attestation's bytes say; null if the hash does not hold.
 * @param {object[]} files The files of the caller's copy of the model.
 * @param {object[] | undefined} listed The files of the model as the gateway listed them.
 * @param {object | null} signature The signature of the attested model.
 * @returns {string} What holds, in words.
 * @throws {NotChecked} There is nothing to compare with.
 * @throws {CheckFailed} They are not.
 */
export function checkFiles(data, files, listed, signature) {
  if (data === null) throw new NotChecked("the hash does not hold, so the attested files are not known");
  const attested = data.get("files");
  if (!(attested instanceof Map)) throw new CheckFailed("the attestation names no files of the model");
  if (listed && !areAttested(listed, attested)) {
    throw new CheckFailed("the list of files is not that of the attested model");
  }
  let named = listed ? differences(listed, files) : null;
  if (signature) named ??= signedDifference(signature, files);
  if (!areAttested(files, attested)) {
    const baseline = data.get("baseline");
    const other = baseline instanceof Map ? baseline.get("files") : undefined;
    if (other instanceof Map && areAttested(files, other)) {
      throw new CheckFailed("these are the files of the baseline, not of the attested model");
    }
    if (signature) named ??= signedDifference(signature, files, true);
    throw new CheckFailed(
      `these are not the files of the attested model${named ? `: ${named}` : "; its list of files would tell which differ"}`,
    );
  }
  const source = textAt(attested, "evidence");
  if (named !== null) throw new CheckFailed(`the files differ from those listed: ${named}`);
  if ((attested.get("list_sha256") ?? null) === null) {
    return `the content of the files is that of the attested model (${source}); their names are not attested`;
  }
  return `all ${files.length} files are those of the attested model (${source})`;
}

/**
 * Whether files are those of a member `files` of the attested data. The root of OpenSSF Model Signing alone
 * says nothing of their names, and leaves some out.
 */
function areAttested(files, attested) {
  if (omsRoot(files) !== textAt(attested, "sha256")) return false;
  const list = attested.get("list_sha256") ?? null;
  return list === null || list === listDigest(files);
}
