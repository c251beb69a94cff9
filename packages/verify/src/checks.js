// The checks of one attestation, each independent of the others' outcome where possible. They are
// those of the Python package `hokusai`, with the same names, results and words.
import { sha256 } from "@noble/hashes/sha2.js";
import { checkAcceptance } from "./acceptance.js";
import { checkFiles } from "./attested_files.js";
import { checkBundle } from "./bundle.js";
import { extension, proofAddress } from "./consistency.js";
import { envelopeSigner } from "./eas.js";
import { ATTESTATION, typedDataDigest, typesMember } from "./eip712.js";
import { CheckFailed, NotChecked } from "./errors.js";
import { fromHex, recover } from "./ethereum.js";
import { hashesAt, integerAt, member, objectAt, textAt } from "./json_fields.js";
import { inclusionHolds, leafHash } from "./merkle.js";
import { readSignature, requireAgreement, resultOf } from "./model_signature.js";
import { checkProof, proofDigest } from "./proof.js";
import { Report, check } from "./report.js";
import { canonicalJSON, equalJSON, parse, plain } from "./strict_json.js";
import { equalBytes, hex, utf8 } from "./text.js";
import { seconds } from "./time.js";
import { unsignedMembers } from "./unsigned.js";

const DOMAIN_NAME = "HokusaiAttestation";
const DOMAIN_VERSION = "1";
const TYPE = "Attestation";
// The SDK itself makes `unsigned` attestations, where no gateway can be reached.
const KINDS = ["proven", "witnessed", "claimed", "unsigned"];

/** Makes the checks. Later ones use what earlier ones have established. */
export class Verification {
  #document;
  #trust;
  #saved;
  #consistency;
  #log;
  #bundle;
  #model;
  #listed;
  #signature;
  // The files that the signature lists, once it is known to be about the attested model.
  #signedFiles = null;
  // What the hashed bytes say, once their hash has been checked.
  #data = null;
  // Who signed, once the signature has been checked.
  #signer = null;
  // The checkpoint in the document, once it has been parsed.
  #embedded = null;
  // Checkpoints that a trusted key has signed, or that the caller has saved.
  #trusted = [];
  // Those of them that are in one line with the document's checkpoint.
  #connected = [];

  /**
   * What `verify` was called with, parsed: `given` has `saved`, `consistency`, `log`, `bundle`, `model`, `listed`
   * and `signature`, each of which may be undefined.
   */
  constructor(document, trust, given) {
    this.#document = document;
    this.#trust = trust;
    this.#saved = given.saved;
    this.#consistency = given.consistency;
    this.#log = given.log;
    this.#bundle = given.bundle;
    this.#model = given.model;
    this.#listed = given.listed;
    this.#signature = given.signature;
  }

  report() {
    const checks = [
      check("hash", () => this.#checkHash()),
      check("signature", () => this.#checkSignature()),
      check("signer", () => this.#checkSigner()),
      check("eas", () => this.#checkEAS()),
      check("checkpoint", () => this.#checkCheckpoint()),
    ];
    if (this.#bundle) checks.splice(4, 0, check("bundle", () => this.#checkBundle()));
    if (this.#data?.get("kind") === "proven") {
      checks.push(check("proof", () => checkProof(this.#document, this.#data, this.#trust.circuits)));
    }
    const evaluation = this.#data?.get("evaluation") ?? null;
    if (evaluation !== null) checks.push(check("acceptance", () => checkAcceptance(evaluation)));
    if (this.#signature) checks.push(check("model_signature", () => this.#checkModelSignature()));
    if (this.#model) {
      checks.push(check("model", () => checkFiles(this.#data, this.#model, this.#listed, this.#signedFiles)));
    }
    if (this.#saved) checks.push(check("consistency", () => this.#checkConsistency()));
    if (this.#log) checks.push(check("export", () => this.#checkExport()));
    checks.push(check("inclusion", () => this.#checkInclusion()));
    if (this.#trust.witnesses.length > 0) checks.push(check("witnesses", () => this.#checkWitnesses()));
    checks.push(check("revocation", () => this.#checkRevocation()));
    const digest = this.#document.get("hash");
    return new Report({
      checks,
      hash: typeof digest === "string" ? digest : null,
      signer: this.#signer,
      data: this.#data && plain(this.#data),
      unsigned: unsignedMembers(this.#document),
    });
  }

  #checkHash() {
    const [text, digest] = [textAt(this.#document, "bytes"), textAt(this.#document, "hash")];
    if (hex(sha256(utf8(text))) !== digest) throw new CheckFailed("the SHA-256 of the bytes is not the hash");
    const data = parse(text);
    if (!(data instanceof Map) || !KINDS.includes(data.get("kind"))) {
      throw new CheckFailed("the bytes are not the data of an attestation");
    }
    if (canonicalJSON(data) !== text) {
      throw new CheckFailed("the bytes are not in the form that is hashed: sorted JSON");
    }
    // These members repeat what the bytes say, and must agree with them.
    const repeated = {
      data,
      kind: data.get("kind"),
      evidence: data.get("kind"),
      delta_one: data.get("delta_one") ?? null,
    };
    for (const [name, value] of Object.entries(repeated)) {
      if (this.#document.has(name) && !equalJSON(this.#document.get(name), value)) {
        throw new CheckFailed(`${name} differs from what the bytes say`);
      }
    }
    const [proof, proofHash] = [this.#document.get("proof") ?? null, data.get("proof_sha256") ?? null];
    if ((proof === null ? null : proofDigest(proof)) !== proofHash) {
      throw new CheckFailed("proof is not the one whose SHA-256 the bytes have");
    }
    if ((proof === null) === (data.get("kind") === "proven")) {
      throw new CheckFailed("an attestation has a proof if it is of the kind proven, else none");
    }
    this.#data = data;
    return "the hash is that of the bytes, and the document says the same as the bytes";
  }

  #checkSignature() {
    if (this.#document.get("kind") === "unsigned") {
      throw new CheckFailed("it is unsigned: no gateway has seen it");
    }
    const signed = objectAt(this.#document, "signature");
    const [message, domain] = [objectAt(signed, "message"), objectAt(signed, "domain")];
    const digest = textAt(this.#document, "hash");
    if (member(signed, "primaryType") !== TYPE || !equalJSON(member(signed, "types"), typesMember(TYPE, ATTESTATION))) {
      throw new CheckFailed("the signed type is not that of an attestation");
    }
    const named = [member(domain, "name"), member(domain, "version")];
    if (named[0] !== DOMAIN_NAME || named[1] !== DOMAIN_VERSION) {
      throw new CheckFailed("the signed domain is not that of attestations");
    }
    if (member(message, "attestationHash") !== `0x${digest}`) throw new CheckFailed("another hash was signed");
    const signer = recover(
      typedDataDigest(domain, TYPE, ATTESTATION, message),
      fromHex(textAt(signed, "signature")),
    );
    if (signer.toLowerCase() !== textAt(signed, "signer").toLowerCase()) {
      throw new CheckFailed(`it is signed by ${signer}, not by the signer that it names`);
    }
    if (this.#data !== null) {
      if (member(message, "kind") !== this.#data.get("kind")) {
        throw new CheckFailed("another kind of attestation was signed");
      }
      if (this.#data.has("issuer") && this.#data.get("issuer") !== signer) {
        throw new CheckFailed(`the data names another issuer than ${signer}, who signed`);
      }
    }
    const issuedAt = integerAt(message, "issuedAt");
    if (this.#document.has("created_at") && seconds(textAt(this.#document, "created_at")) !== issuedAt) {
      throw new CheckFailed("created_at is not the time that was signed");
    }
    this.#signer = signer;
    return `signed by ${signer}`;
  }

  #checkSigner() {
    if (this.#signer === null) throw new NotChecked("the signature does not hold, so there is no signer");
    if (this.#trust.attestors.size === 0) {
      throw new NotChecked(`signed by ${this.#signer}, but you have named no attestor to trust`);
    }
    if (!this.#trust.attestors.has(this.#signer)) {
      throw new CheckFailed(`signed by ${this.#signer}, which is not an attestor that you trust`);
    }
    return `${this.#signer} is an attestor that you trust`;
  }

  #checkEAS() {
    if ((this.#document.get("eas") ?? null) === null) throw new NotChecked("there is no EAS envelope");
    if (this.#data === null) throw new NotChecked("the hash does not hold, so there is nothing to compare with");
    const signer = envelopeSigner(
      objectAt(this.#document, "eas"),
      textAt(this.#document, "hash"),
      this.#data.get("kind"),
    );
    if (this.#signer !== null && signer !== this.#signer) {
      throw new CheckFailed(`the envelope is signed by ${signer}, the attestation by another key`);
    }
    return `an EAS off-chain attestation of the same hash, signed by ${signer}`;
  }

  #checkBundle() {
    return checkBundle(this.#bundle, this.#trust.envelopeKeys, textAt(this.#document, "hash"), this.#data);
  }

  #checkModelSignature() {
    const signature = readSignature(this.#signature, this.#trust.envelopeKeys);
    if (this.#data === null) throw new NotChecked("the hash does not hold, so there is nothing to compare with");
    requireAgreement(signature, this.#data);
    this.#signedFiles = signature;
    return resultOf(signature);
  }

  #checkCheckpoint() {
    if ((this.#document.get("log") ?? null) === null) throw new NotChecked("the document has no log entry");
    const embedded = this.#trust.checkpoint(textAt(this.#document, "log", "checkpoint"));
    this.#embedded = embedded;
    if (this.#trust.logKeys.length === 0) {
      throw new NotChecked(
        `it is a checkpoint of ${embedded.origin} at size ${embedded.size}, but you have named no log key to trust`,
      );
    }
    if (embedded.signedBy === null) throw new CheckFailed(`no log key that you trust for ${embedded.origin} has signed it`);
    this.#trusted.push(embedded);
    this.#connected.push(embedded);
    return `${embedded.origin} at size ${embedded.size}, signed by ${embedded.signedBy}`;
  }

  #checkConsistency() {
    const [saved, embedded] = [this.#saved, this.#embedded];
    if (this.#trust.logKeys.length > 0 && saved.signedBy === null) {
      throw new CheckFailed(`no log key that you trust for ${saved.origin} has signed yours`);
    }
    // Without a key, a checkpoint that the caller saved is trusted all the same.
    this.#trusted.push(saved);
    if (embedded === null) throw new NotChecked("the document has no checkpoint to compare with yours");
    if (saved.origin !== embedded.origin) {
      throw new CheckFailed(`your checkpoint is one of ${saved.origin}, the document's of ${embedded.origin}`);
    }
    const detail = extension(
      saved,
      embedded,
      this.#consistency,
      this.#log,
      (first, second) =>
        `yours has size ${saved.size} and the document's ${embedded.size}: ${proofAddress(first, second)}`,
    );
    this.#trusted.push(embedded);
    this.#connected = [embedded, saved];
    return detail;
  }

  #checkExport() {
    const comparable = [...this.#trusted, ...(this.#embedded === null ? [] : [this.#embedded])];
    if (comparable.length === 0) throw new NotChecked("there is no checkpoint to compare the export with");
    const roots = this.#log.roots(...comparable.map(({ size }) => size));
    for (const { size, root } of comparable) {
      if (roots.has(size) && !equalBytes(roots.get(size), root)) {
        throw new CheckFailed(`its entries do not match the checkpoint of size ${size}`);
      }
    }
    const covered = this.#trusted.filter(({ size }) => roots.has(size));
    if (covered.length === 0) {
      throw new NotChecked(`none of its ${this.#log.size} entries is covered by a checkpoint that you trust`);
    }
    return `its first ${largest(covered)} entries are those of the log`;
  }

  #checkInclusion() {
    if ((this.#document.get("log") ?? null) === null) throw new NotChecked("the document has no log entry");
    const [log, digest] = [objectAt(this.#document, "log"), textAt(this.#document, "hash")];
    const [index, size] = [integerAt(log, "index"), integerAt(log, "tree_size")];
    const entry = parse(textAt(log, "entry"));
    if (member(entry, "kind") !== "attested" || member(entry, "attestation") !== digest) {
      throw new CheckFailed("the entry is about something else");
    }
    if (this.#signer !== null) {
      if (entry.has("signer") && entry.get("signer") !== this.#signer) {
        throw new CheckFailed("the entry names another signer");
      }
      if (integerAt(this.#document, "signature", "message", "nonce") !== index) {
        throw new CheckFailed("another index in the log was signed");
      }
    }
    const embedded = this.#embedded;
    if (embedded === null) throw new CheckFailed("there is no checkpoint that the proof could lead to");
    if (embedded.size !== size) {
      throw new CheckFailed("the proof is for another size of the log than the checkpoint");
    }
    const leaf = leafHash(utf8(textAt(log, "entry")));
    if (!inclusionHolds(leaf, index, size, hashesAt(log, "proof"), embedded.root)) {
      throw new CheckFailed("the proof does not lead to the checkpoint's root hash");
    }
    if (!this.#trusted.some((one) => one.size === embedded.size && equalBytes(one.root, embedded.root))) {
      throw new NotChecked("the proof leads to the checkpoint's root hash, but you do not trust the checkpoint");
    }
    return `entry ${index} of the log ${embedded.origin} at size ${size}`;
  }

  #checkWitnesses() {
    if ((this.#document.get("log") ?? null) === null) throw new NotChecked("the document has no log entry");
    const index = integerAt(this.#document, "log", "index");
    const covering = this.#connected.filter(({ size }) => size > index);
    if (covering.length === 0) throw new NotChecked("there is no checkpoint with this entry that you trust");
    const most = Math.max(...covering.map(({ cosignedBy }) => cosignedBy.length));
    const best = covering.find(({ cosignedBy }) => cosignedBy.length === most);
    if (most < this.#trust.quorum) {
      throw new CheckFailed(
        `its checkpoint is cosigned by ${most} of your witnesses, and ${this.#trust.quorum} are required`,
      );
    }
    return `the tree of ${best.size} entries is cosigned by ${best.cosignedBy.join(", ")}`;
  }

  #checkRevocation() {
    if ((this.#document.get("revoked") ?? null) !== null) {
      throw new CheckFailed("the document itself says that it was revoked");
    }
    if (!this.#log) throw new NotChecked("only a copy of the log can show whether it was revoked");
    const revocation = this.#log.revocation(textAt(this.#document, "hash"));
    if (revocation !== null) throw new CheckFailed(`entry ${revocation[0]} of the log revokes it: ${revocation[1]}`);
    const roots = this.#log.roots(...this.#trusted.map(({ size }) => size));
    const covered = this.#trusted.filter(({ size, root }) => roots.has(size) && equalBytes(roots.get(size), root));
    if (covered.length === 0) {
      throw new NotChecked(
        `none of ${this.#log.size} exported entries revokes it, but they are not covered by a checkpoint that you trust`,
      );
    }
    return `none of the log's first ${largest(covered)} entries revokes it`;
  }
}

const largest = (checkpoints) => Math.max(...checkpoints.map(({ size }) => size));
