// Members of a document that no signature covers, and that no check compares with what is signed.
//
// Anybody who passes an attestation on can add them, so a reader must not take them for attested.

const MAX_LISTED = 20;
const MAX_NAME = 100;

// Members of `data` are compared with the bytes, and those of an EIP-712 domain and message are
// exactly those of its type, so none of these can have a further member unnoticed.
const CHECKED = {
  "": [
    ...["hash", "bytes", "data", "kind", "evidence", "delta_one", "proof", "revoked"],
    ...["created_at", "signature", "eas", "log"],
  ],
  "signature.": ["signer", "signature", "domain", "types", "primaryType", "message"],
  "eas.": ["signer", "sig"],
  "eas.sig.": ["version", "uid", "domain", "types", "primaryType", "message", "signature"],
  "eas.sig.signature.": ["r", "s", "v"],
  "log.": ["index", "tree_size", "proof", "entry", "checkpoint"],
};

/** The paths of the unsigned members, such as `log.note`: the first 20 of them. */
export function unsignedMembers(document) {
  const paths = [];
  for (const path of unknown(document, "")) {
    if (paths.push(path) === MAX_LISTED) break;
  }
  return paths;
}

function* unknown(value, path) {
  if (!Object.hasOwn(CHECKED, path) || !(value instanceof Map)) return;
  for (const [name, inner] of value) {
    if (CHECKED[path].includes(name)) yield* unknown(inner, `${path}${name}.`);
    else yield path + Array.from(name).slice(0, MAX_NAME).join("");
  }
}
