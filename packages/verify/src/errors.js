/** A document is not what it should be, so that nothing can be checked. */
export class DocumentError extends Error {
  name = "DocumentError";
}

/** An address or a key that the caller trusts is not valid. */
export class InputError extends Error {
  name = "InputError";
}

/** A check does not hold; the message is the reason. */
export class CheckFailed extends Error {}

/** A check cannot be made; the message is the reason. */
export class NotChecked extends Error {}
