// What the caller trusts: the addresses of attestors, the keys of logs and those of envelopes.
import { LogKey, WitnessKey, parseCheckpoint } from "./checkpoint.js";
import { EnvelopeKey } from "./envelope_key.js";
import { DocumentError, InputError } from "./errors.js";
import { checksumAddress } from "./ethereum.js";
import { textAt, textsAt } from "./json_fields.js";
import { parsedOrCopied } from "./strict_json.js";

/** Trusted attestors and logs. */
export class Trust {
  /**
   * @param {Iterable<string>} attestors Addresses in any casing.
   * @param {Iterable<string>} logKeys Public keys, as C2SP signed-note writes them.
   * @param {Iterable<string>} envelopeKeys Public keys, in PEM.
   * @param {Iterable<string>} circuits The identifiers of circuits.
   * @param {Iterable<string>} witnesses Public keys, as C2SP tlog-cosignature writes them.
   * @param {number | undefined} quorum How many witnesses must have cosigned; by default all of them.
   * @throws {InputError} One of them is not valid.
   */
  constructor(attestors, logKeys, envelopeKeys = [], circuits = [], witnesses = [], quorum = undefined) {
    try {
      this.attestors = new Set(Array.from(attestors, checksumAddress));
      this.logKeys = Array.from(logKeys, (text) => new LogKey(text));
      this.envelopeKeys = Array.from(envelopeKeys, (text) => new EnvelopeKey(text));
      this.circuits = new Set(Array.from(circuits, circuit));
      this.witnesses = Array.from(witnesses, (text) => new WitnessKey(text));
      const different = new Set(this.witnesses.map((witness) => witness.public)).size;
      this.quorum = quorum ?? different;
      if (quorum !== undefined && !(Number.isInteger(quorum) && quorum >= 1 && quorum <= different)) {
        throw new Error(`a quorum of ${quorum} needs as many different witnesses`);
      }
    } catch (error) {
      throw new InputError(`A trusted attestor or key is not valid: ${error.message}.`);
    }
  }

  /** The checkpoint in a signed note, and who has signed it: see `parseCheckpoint`. */
  checkpoint(note) {
    return parseCheckpoint(note, this.logKeys, this.witnesses);
  }

  /**
   * Add what a gateway's `/.well-known/hokusai-attestor.json` names, as JSON text or parsed. It must have been fetched over a
   * connection that the caller trusts.
   * @throws {DocumentError} This is another document.
   */
  add(wellKnown) {
    const data = parsedOrCopied(wellKnown);
    try {
      const known = new Trust(
        [textAt(data, "signer"), ...textsAt(data, "signers")],
        // The newest key is in the list of all keys as well.
        new Set([textAt(data, "log", "key"), ...textsAt(data, "log", "keys")]),
        // The first gateways had no envelopes.
        data.has("envelopes")
          ? new Set([textAt(data, "envelopes", "key"), ...textsAt(data, "envelopes", "keys")])
          : [],
        // The first gateways had no circuits either.
        data.has("circuits") ? textsAt(data, "circuits") : [],
      );
      known.attestors.forEach((address) => this.attestors.add(address));
      this.logKeys.push(...known.logKeys);
      this.envelopeKeys.push(...known.envelopeKeys);
      known.circuits.forEach((one) => this.circuits.add(one));
    } catch (error) {
      throw new DocumentError(`This is not a gateway's attestor document: ${error.message}`);
    }
  }
}

function circuit(text) {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new Error("a circuit's identifier has 64 hexadecimal digits in lower case");
  }
  return text;
}
