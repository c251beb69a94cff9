// The signature of a model's files, as OpenSSF Model Signing v1.0 has it: a Sigstore bundle with an
// in-toto statement. Its subject has the root digest of the files, and its predicate lists them.
import { CheckFailed, NotChecked } from "./errors.js";
import { listAt, member, objectAt, textAt, textsAt } from "./json_fields.js";
import { differencesOf, isDigest, requireSafe, rootOf } from "./model_files.js";
import { Report, check } from "./report.js";
import { openBundle } from "./sigstore_bundle.js";

const PREDICATE_TYPE = "https://model_signing/signature/v1.0";
// How the files are listed: each by the digest of its whole content.
const SERIALIZATION = { method: "files", hash_type: "sha256" };

/**
 * Read the signature of a model, and check that it agrees with itself.
 * @param {Map} bundle The signature, which is a Sigstore bundle.
 * @param {EnvelopeKey[]} keys The trusted keys, of which one must have signed it; none for no such check.
 * @returns What it says: the name of its subject, which a gateway writes as `<tenant>/<name>@<version>`; the
 *   id of the model, or null; the digest of all files together; the SHA-256 of each file by its path; the
 *   paths that it leaves out, each with everything below it; and the trusted key that signed it, or undefined.
 * @throws {Error} It is of another form, not signed by a trusted key, or its list is not that of its digest.
 */
export function readSignature(bundle, keys) {
  const { statement, signedBy } = openBundle(bundle, keys, PREDICATE_TYPE, "the files of models");
  const subjects = listAt(statement, "subject");
  if (subjects.length !== 1) throw new CheckFailed("its statement does not have exactly one subject");
  const predicate = objectAt(statement, "predicate");
  const serialization = objectAt(predicate, "serialization");
  if (Object.entries(SERIALIZATION).some(([name, value]) => serialization.get(name) !== value)) {
    throw new CheckFailed("it does not list files by the SHA-256 of each");
  }
  const files = listAt(predicate, "resources").map((one) => {
    const [path, digest] = [textAt(one, "name"), textAt(one, "digest")];
    if (member(one, "algorithm") !== "sha256" || !isDigest(digest)) {
      throw new CheckFailed("a file in its list has no SHA-256");
    }
    return [path, digest];
  });
  requireSafe(files.map(([path]) => path));
  const root = textAt(subjects[0], "digest", "sha256");
  if (rootOf(files.map(([, digest]) => digest)) !== root) {
    throw new CheckFailed("its list of files is not that of the digest in its subject");
  }
  return {
    name: textAt(subjects[0], "name"),
    modelId: predicate.has("model_id") ? textAt(predicate, "model_id") : null,
    root,
    digests: new Map(files),
    ignored: new Set(serialization.has("ignore_paths") ? textsAt(serialization, "ignore_paths") : []),
    signedBy,
  };
}

/**
 * Check that a signature is about the model that was attested. `data` is what the attestation's bytes say.
 * @throws {CheckFailed} It is about another model or other files, or the attestation names no files.
 */
export function requireAgreement(signature, data) {
  const files = data.get("files");
  if (!(files instanceof Map)) throw new CheckFailed("the attestation names no files of the model");
  if (textAt(files, "sha256") !== signature.root) {
    const baseline = data.get("baseline");
    const other = baseline instanceof Map ? baseline.get("files") : undefined;
    if (other instanceof Map && other.get("sha256") === signature.root) {
      throw new CheckFailed("it is about the files of the baseline, not of the attested model");
    }
    throw new CheckFailed("it is about other files than the attestation");
  }
  const [tenant, name, version] = ["tenant", "model_name", "model_version"].map((part) => textAt(data, part));
  if (signature.name !== `${tenant}/${name}@${version}` || signature.modelId !== textAt(data, "model_id")) {
    throw new CheckFailed("it is about another model with the same files");
  }
}

/**
 * What holds, in words.
 * @throws {NotChecked} There is no key to trust.
 */
export function resultOf({ digests, name, signedBy }) {
  const said = `the ${digests.size} files of ${name}`;
  if (!signedBy) throw new NotChecked(`it lists ${said}, but you have named no envelope key to trust`);
  return `${said}, signed by the envelope key ${signedBy.name}`;
}

/** How files differ from those that a signature lists, in words; null if they do not. */
export function signedDifference({ digests, ignored }, files, allFiles = false) {
  // Looked up, and not compared one by one: an untrusted list may be very long.
  const isIgnored = (path) => path.split("/").some((_, at, parts) => ignored.has(parts.slice(0, at + 1).join("/")));
  const compared = files.filter(({ path }) => allFiles || !isIgnored(path));
  return differencesOf(digests, new Map(compared.map(({ path, sha256 }) => [path, sha256])));
}

function compareDirectory(signature, files) {
  const different = signedDifference(signature, files);
  if (different !== null) {
    throw new CheckFailed(`the files differ from those that the signature lists: ${different}`);
  }
  const { size } = signature.digests;
  const more = files.length - size;
  return (
    `all ${size} files are those that the signature lists` +
    (more ? ` (of other files in the directory, which it leaves out, there are ${more})` : "")
  );
}

/** The report on a signature without an attestation, and on the files of a directory, if there are some. */
export function checkModelSignature(bundle, keys, files) {
  let read = null;
  const checks = [
    check("model_signature", () => {
      read = readSignature(bundle, keys);
      return resultOf(read);
    }),
  ];
  if (files) {
    const compared = () => {
      if (read === null) throw new NotChecked("the signature does not hold, so the signed files are not known");
      return compareDirectory(read, files);
    };
    checks.push(check("model", compared));
  }
  return new Report({ checks, hash: null, signer: null, data: null, unsigned: [], essential: ["model_signature"] });
}
