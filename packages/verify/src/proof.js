// The proof of an attestation of the kind `proven`: that it holds, and for what was attested.
import { sha256 } from "@noble/hashes/sha2.js";
import { CheckFailed, DocumentError, NotChecked } from "./errors.js";
import { R, VerifyingKey, hasExactly, holds, readPoints } from "./groth16.js";
import { integerAt, listAt, member, objectAt, textAt } from "./json_fields.js";
import { shownBy } from "./shares.js";
import { canonicalJSON, equalJSON } from "./strict_json.js";
import { hex, utf8 } from "./text.js";

// What a proof is bound to has a version, which the attestation does not name. Version 1 has no digest
// of the list of a model's files, and so does not bind the names of files.
const VERSIONS = [1, 2];
const SYSTEM = "groth16-bn254";
const MEMBERS = ["circuit", "proof", "public", "setup", "statement", "system", "verifying_key"];

/** The SHA-256 of a proof in its canonical form, which the attested data has. */
export const proofDigest = (proof) => hex(sha256(utf8(canonicalJSON(proof))));

/** The scalar that a proof of this data is bound by, in a version. */
function binding(data, chainId, version) {
  const benchmark = objectAt(data, "evaluation", "benchmark");
  const parts = new Map([
    ["benchmark_id", textAt(benchmark, "benchmark_id")],
    ["label_commitment", textAt(benchmark, "label_commitment")],
    ["baseline", model(objectAt(data, "baseline"), version)],
    ["improved", model(data, version)],
    [
      "contributors",
      listAt(data, "contributors").map(
        (one) => new Map(["address", "weight_bps", "data_hash"].map((name) => [name, member(one, name)])),
      ),
    ],
    ["chain_id", chainId],
  ]);
  return BigInt(`0x${hex(sha256(utf8(`hokusai-binding-v${version}\n` + canonicalJSON(parts))))}`) % R;
}

function model(data, version) {
  let files = member(data, "files");
  if (files !== null) {
    const digests = new Map(["sha256", "sha256_merkle_v1"].map((name) => [name, textAt(files, name)]));
    if (version > 1) {
      const hasList = (files.get("list_sha256") ?? null) !== null;
      digests.set("list_sha256", hasList ? textAt(files, "list_sha256") : null);
    }
    files = digests;
  }
  return new Map([
    ["model_id", textAt(data, "model_id")],
    ["files", files],
  ]);
}

function commitment(data, ...path) {
  const text = textAt(data, ...path);
  if (!/^[0-9a-f]{64}$/.test(text)) throw new CheckFailed(`${path.join(".")} is not 64 hexadecimal digits`);
  return BigInt(`0x${text}`);
}

/**
 * Check the proof of a document against its data, and return what it shows. `circuits` are the
 * identifiers of the circuits that the caller trusts.
 */
export function checkProof(document, data, circuits) {
  const proof = objectAt(document, "proof");
  if (!hasExactly(proof, MEMBERS)) throw new DocumentError(`A proof has the members ${MEMBERS.join(", ")}.`);
  if (proof.get("system") !== SYSTEM) throw new DocumentError(`The proof's system is not ${SYSTEM}.`);
  const key = new VerifyingKey(proof.get("verifying_key"));
  if (["circuit", "statement", "setup"].some((name) => proof.get(name) !== key[name])) {
    throw new DocumentError("The proof's circuit, statement and setup are not its key's.");
  }
  const inputs = key.publicInputs(proof.get("public"));
  const points = readPoints(proof.get("proof"));
  const evaluation = objectAt(data, "evaluation");
  const chainId = integerAt(document, "signature", "domain", "chainId");
  const bindings = VERSIONS.map((version) => binding(data, chainId, version));
  const rows = integerAt(evaluation, "benchmark", "rows");
  const isFirst = inputs.get("binding") === bindings[0];
  const expected = {
    rows: BigInt(rows),
    labels: commitment(evaluation, "benchmark", "label_commitment"),
    baseline: commitment(evaluation, "predictions", "baseline", "commitment"),
    improved: commitment(evaluation, "predictions", "improved", "commitment"),
    binding: bindings[isFirst ? 0 : 1],
  };
  for (const [name, value] of Object.entries(expected)) {
    if (inputs.get(name) !== value) {
      throw new CheckFailed(`the proof is for something else: ${name} is not what was attested`);
    }
  }
  const counts = [...inputs.values()].slice(0, inputs.size - Object.keys(expected).length);
  const follows = [...shownBy(key.statement, counts, evaluation.get("benchmark").get("metric"))].some((shown) =>
    Object.entries(shown).every(([name, value]) => equalJSON(evaluation.get(name) ?? null, asData(value))),
  );
  if (!follows) throw new CheckFailed("the attested counts do not follow from those of the proof");
  if (rows === 0 || rows > key.capacity || counts.reduce((sum, count) => sum + count, 0n) !== expected.rows) {
    throw new CheckFailed("The counts do not add up to the rows.");
  }
  if (!holds(key, inputs, points)) throw new CheckFailed("The proof does not hold for its public inputs.");
  if (!circuits.has(key.circuit)) {
    throw new NotChecked(
      `the proof holds for circuit ${key.circuit} (setup: ${key.setup}), but you have not named that ` +
        "circuit to trust",
    );
  }
  const successes = ["baseline", "improved"].map((name) => evaluation.get(name).get("successes"));
  const hasFiles = [data, data.get("baseline")].some((model) => model.get("files") !== null);
  return (
    `${successes[0]} and ${successes[1]} rows are proven for committed labels and predictions of ${rows} rows ` +
    `(setup: ${key.setup})` +
    (isFirst && hasFiles ? "; the proof does not bind the names of the models' files" : "")
  );
}

/** Counts as parsed JSON has them. */
const asData = (value) =>
  value === null ? null : new Map(Object.entries(value).map(([name, count]) => [name, Number(count)]));
