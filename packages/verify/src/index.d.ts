/** `holds`; `fails`: does not hold; `unchecked`: could not be checked. */
export type Result = "holds" | "fails" | "unchecked";

export interface Check {
  /** Such as `signature`. */
  readonly name: string;
  readonly result: Result;
  /** The reason for the result, in words. Show it with `printable`: it may repeat a part of the document. */
  readonly detail: string;
}

/** All checks of one attestation, or of the signature of a model alone. */
export class Report {
  private constructor();
  /** The checks, in the order in which they were made. */
  readonly checks: readonly Check[];
  /** The hash that the document names, or null. */
  readonly hash: string | null;
  /** The address that signed, in EIP-55 form, or null if the signature does not hold. */
  readonly signer: string | null;
  /**
   * What was attested, parsed from the bytes that were hashed, or null if the hash does not hold. Use
   * this rather than other members of the document.
   */
  readonly data: { readonly [name: string]: unknown } | null;
  /** Members of the document that no signature covers and no check looks at, at most 20. */
  readonly unsigned: readonly string[];
  /** The names of the checks without which nobody whom you trust has signed. */
  readonly essential: readonly string[];
  /**
   * Whether no check fails, and the essential ones hold: hash, signature and signer. Without a trusted attestor
   * the signer cannot be checked, so this is false.
   */
  readonly ok: boolean;
  /** Whether every check could be made and holds, including log and revocation. */
  readonly complete: boolean;
  /** `proven`, `witnessed`, `claimed` or `unsigned`, as it was hashed; null if the hash does not hold. */
  readonly kind: string | null;
  /**
   * The check of this name. `bundle`, `model`, `model_signature`, `consistency` and `export` are made only where
   * their documents are given, `proof` only of the kind `proven`, `acceptance` only of an improvement that was evaluated.
   */
  check(name: string): Check | undefined;
  /** The report as JSON data, as `hokusai verify --json` writes it. */
  toJSON(): {
    ok: boolean;
    complete: boolean;
    hash: string | null;
    kind: string | null;
    signer: string | null;
    unsigned: readonly string[];
    checks: readonly Check[];
  };
}

/** A copy of the log. */
export class LogExport {
  private constructor();
  /**
   * Read an export: one page of `GET /api/attestations/log/entries`, a list of pages, or text, which is
   * JSON of either or one page per line, as `hokusai log export` writes it.
   * @throws {DocumentError} This is none of these, or an entry from index 0 on is missing.
   */
  static read(log: string | Uint8Array | object | readonly object[]): LogExport;
  /** The number of entries. */
  readonly size: number;
}

export interface Options {
  /** The addresses of trusted attestors, in any casing. */
  attestors?: string | readonly string[];
  /** The public keys of trusted logs, `<name>+<key id>+<base64>` (C2SP signed-note). */
  logKeys?: string | readonly string[];
  /** The public keys of trusted envelopes, in PEM, as `/.well-known/hokusai.pub` has one. */
  envelopeKeys?: string | readonly string[];
  /** The identifiers of the circuits whose proofs to trust. */
  circuits?: string | readonly string[];
  /**
   * The public keys of trusted witnesses of the log, as C2SP tlog-cosignature writes them. With them,
   * the document's checkpoint or `checkpoint` must be cosigned.
   */
  witnesses?: string | readonly string[];
  /** How many of the witnesses must have cosigned; by default all of them. */
  quorum?: number;
  /**
   * A gateway's `/.well-known/hokusai-attestor.json`, which has attestors, keys and circuits: JSON text, its
   * bytes, or parsed.
   */
  known?: string | Uint8Array | object;
  /** A signed checkpoint of the log that you saved earlier or got elsewhere. */
  checkpoint?: string;
  /**
   * The response of `/api/attestations/log/proof?first=&second=`: JSON text, its bytes, or parsed. It is
   * needed where that checkpoint has another size than the attestation's.
   */
  consistency?: string | Uint8Array | object;
  /** A copy of the log, which shows whether the attestation was revoked. */
  log?: LogExport;
  /** The response of `/api/attestations/{hash}/bundle`: JSON text, its bytes, or parsed. */
  bundle?: string | Uint8Array | object;
  /**
   * The files of your copy of the model, all of them, to compare with the attestation. With Node.js,
   * `hashDirectory` of `@hokusai/verify/directory` makes the list.
   */
  model?: Iterable<ModelFile>;
  /**
   * The list of the model's files as `hokusai models download` writes it, which tells which of them
   * differ, and whether they have their names: JSON text, its bytes, or parsed.
   */
  files?: string | Uint8Array | object;
  /** The response of `/api/models/{id}/model.sig`: JSON text, its bytes, or parsed. */
  modelSignature?: string | Uint8Array | object;
}

/** What a browser has of a file in a chosen directory: `input.files` of `<input type="file" webkitdirectory>`. */
export interface ChosenFile {
  readonly webkitRelativePath: string;
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/**
 * Hash the files of a directory that a person has chosen in a browser.
 * @returns What the option `model` takes. A browser does not tell links from files.
 */
export function hashFiles(files: Iterable<ChosenFile>): Promise<ModelFile[]>;

/** One file of a model. */
export interface ModelFile {
  /** Within the model's directory, with `/` between its parts. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Of its content, 64 hexadecimal digits in lower case. */
  readonly sha256: string;
}

/**
 * Verify an attestation.
 * @param attestation The gateway's response: JSON text, its bytes, or parsed. Text is best, since
 *   `JSON.parse` hides repeated keys.
 * @throws {DocumentError} The attestation is not a JSON object, is too large or too deep, or one of the
 *   other documents is not what it should be. Whatever else is wrong with it is in the report.
 * @throws {InputError} An address or a key is not valid, or a consistency proof has no checkpoint.
 */
export function verify(attestation: string | Uint8Array | object, options?: Options): Report;

/**
 * Verify the signature of a model's files without an attestation.
 * @param modelSignature The response of `/api/models/{id}/model.sig`: JSON text, its bytes, or parsed.
 * @returns The report of the checks `model_signature` and, with the files of a directory, `model`.
 * @throws {DocumentError} The signature is not a JSON object, is too large or too deep, or one of the other
 *   documents is not what it should be.
 * @throws {InputError} A key is not valid.
 */
export function verifyModelSignature(
  modelSignature: string | Uint8Array | object,
  options?: Pick<Options, "envelopeKeys" | "known" | "model">,
): Report;

/**
 * Check that one checkpoint of the log extends another: what was in the log before still is.
 * @param one A signed checkpoint, as `GET /api/attestations/log` returns it.
 * @param other Another one. The order does not matter.
 * @param options.proof The response of `/api/attestations/log/proof?first=&second=`, parsed; needed
 *   where the sizes differ and there is no `log`.
 * @param options.logKeys The public keys of trusted logs. Without one, signatures are not checked.
 * @param options.log A copy of the log, which proves it too.
 * @throws {DocumentError} One of the documents is not what it should be.
 * @throws {InputError} A key is not valid.
 */
export function checkConsistency(
  one: string,
  other: string,
  options?: { proof?: object; logKeys?: string | readonly string[]; log?: LogExport },
): Check;

/** A text in which characters that could control a terminal or the direction of text are replaced. */
export function printable(text: unknown): string;

/** The largest accepted document, in bytes. */
export const MAX_BYTES: number;
/** The largest accepted copy of a log, in bytes. */
export const MAX_LOG_BYTES: number;

/** A document is not what it should be, so that nothing can be checked. */
export class DocumentError extends Error {}
/** An address or a key that the caller trusts is not valid, or an argument is missing. */
export class InputError extends Error {}
