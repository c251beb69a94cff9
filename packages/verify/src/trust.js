// What the caller trusts: the addresses of attestors, and the keys of logs.
import { LogKey } from "./checkpoint.js";
import { DocumentError, InputError } from "./errors.js";
import { checksumAddress } from "./ethereum.js";
import { textAt, textsAt } from "./json_fields.js";
import { checkedCopy } from "./strict_json.js";

/** Trusted attestors and logs. */
export class Trust {
  /**
   * @param {Iterable<string>} attestors Addresses in any casing.
   * @param {Iterable<string>} logKeys Public keys, as C2SP signed-note writes them.
   * @throws {InputError} One of them is not valid.
   */
  constructor(attestors, logKeys) {
    try {
      this.attestors = new Set(Array.from(attestors, checksumAddress));
      this.logKeys = Array.from(logKeys, (text) => new LogKey(text));
    } catch (error) {
      throw new InputError(`A trusted attestor or log key is not valid: ${error.message}.`);
    }
  }

  /**
   * Add what a gateway's `/.well-known/hokusai-attestor.json` names. It must have been fetched over a
   * connection that the caller trusts.
   * @throws {DocumentError} This is another document.
   */
  add(wellKnown) {
    const data = checkedCopy(wellKnown);
    try {
      const known = new Trust(
        [textAt(data, "signer"), ...textsAt(data, "signers")],
        // The newest key is in the list of all keys as well.
        new Set([textAt(data, "log", "key"), ...textsAt(data, "log", "keys")]),
      );
      known.attestors.forEach((address) => this.attestors.add(address));
      this.logKeys.push(...known.logKeys);
    } catch (error) {
      throw new DocumentError(`This is not a gateway's attestor document: ${error.message}`);
    }
  }
}
