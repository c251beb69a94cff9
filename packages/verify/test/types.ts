// Compiled by `npm run types`, never run: what users of TypeScript may write.
import { hashDirectory } from "../src/directory.js";
import {
  type Check,
  DocumentError,
  LogExport,
  type Report,
  checkConsistency,
  hashFiles,
  printable,
  verify,
  verifyModelSignature,
} from "../src/index.js";

const report: Report = verify("{}", {
  attestors: ["0x1E4e0351424123871305C2Ce3Bc4a955B183BfF5"],
  logKeys: "name+id+key",
  known: JSON.parse("{}"),
  checkpoint: "origin",
  consistency: {},
  log: LogExport.read([{ entries: [] }]),
  envelopeKeys: ["pem"],
  bundle: new Uint8Array(),
  witnesses: ["name+id+key"],
  quorum: 1,
  model: hashDirectory("model"),
  files: "{}",
  modelSignature: "{}",
});
hashFiles([] as File[]).then((files) => verify("{}", { model: files }));
verifyModelSignature({}, { envelopeKeys: "pem", model: [{ path: "a", size: 1, sha256: "0" }] });
const signature: Check | undefined = report.check("signature");
if (report.ok && report.data !== null && signature?.result === "holds") {
  const kind: unknown = report.data["kind"];
  printable(kind);
}
const consistent: Check = checkConsistency("one", "other", { proof: {}, logKeys: ["a"] });
printable(consistent.detail);
try {
  verify(new Uint8Array());
} catch (error) {
  if (error instanceof DocumentError) printable(error.message);
}
// @ts-expect-error: a misspelled option would silently trust nobody.
verify("{}", { attestor: "0x" });
