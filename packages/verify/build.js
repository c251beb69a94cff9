// Bundles this package and the libraries that it needs into one file, for the gateway's pages:
//
//   node build.js [FILE]
//
// A classic script rather than a module, which a browser does not load from a page on a disk.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { name, version } = JSON.parse(readFileSync(here("package.json")));

await build({
  absWorkingDir: here("."),
  entryPoints: ["src/index.js"],
  outfile: process.argv[2] ?? here("../../app/web/static/hokusai-verify.js"),
  banner: { js: `/* ${name} ${version} in one file, from packages/verify by \`make verify-bundle\`. */` },
  bundle: true,
  format: "iife",
  globalName: "hokusaiVerify",
  // Licences stay in the file.
  legalComments: "inline",
  minify: true,
  target: "es2022",
});
