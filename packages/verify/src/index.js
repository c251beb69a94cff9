// Checking attestations of a Hokusai registry, in a browser or in Node.js, without sending anything.
// index.d.ts describes what is exported here.
export { verify, verifyModelSignature } from "./attestation.js";
export { hashFiles } from "./chosen_files.js";
export { checkConsistency } from "./consistency.js";
export { DocumentError, InputError } from "./errors.js";
export { LogExport, MAX_LOG_BYTES } from "./log_export.js";
export { Report } from "./report.js";
export { MAX_BYTES } from "./strict_json.js";
export { printable } from "./text.js";
