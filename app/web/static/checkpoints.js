// Compares two checkpoints of the log in the browser, by the package in hokusai-verify.js: for an
// element that `compare_checkpoints` in templates/verification.html makes.
"use strict";
(() => {
  const { checkConsistency, printable } = globalThis.hokusaiVerify;
  const RESULTS = {
    holds: ["good", "Ok: "],
    fails: ["bad", "Not ok: "],
    unchecked: ["unknown", "Cannot say: "],
  };

  const sizeOf = (note) => Number(note.split("\n")[1]);

  /** The log's proof between two sizes; none where the sizes are equal. */
  async function proofBetween(one, other) {
    const [first, second] = [sizeOf(one), sizeOf(other)].sort((left, right) => left - right);
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(second) || first === second) return undefined;
    const query = new URLSearchParams({ first, second });
    const response = await fetch(`/api/attestations/log/proof?${query}`, { credentials: "omit" }).catch(() => null);
    return response?.ok ? response.json() : undefined;
  }

  for (const root of document.querySelectorAll("[data-compare]")) {
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    const logKeys = JSON.parse(part("known").textContent).log.keys;
    // A signed note ends with a line break, which is easily lost on the way through a clipboard.
    const note = (name) => `${part(name).value.replaceAll("\r\n", "\n").trim()}\n`;
    // A result is shown only as long as it is that of the two texts above it.
    let comparisons = 0;
    const forget = () => {
      part("verdict").hidden = true;
      return ++comparisons;
    };
    for (const name of ["earlier", "later"]) part(name).addEventListener("input", forget);
    part("compare").addEventListener("click", async () => {
      const comparison = forget();
      const [one, other] = [note("earlier"), note("later")];
      let [kind, words] = ["bad", ""];
      try {
        const { result, detail } = checkConsistency(one, other, { proof: await proofBetween(one, other), logKeys });
        const [className, prefix] = RESULTS[result];
        [kind, words] = [className, `${prefix}${detail}.`];
      } catch (error) {
        words = error.message;
      }
      if (comparison !== comparisons) return;
      part("verdict").className = `verdict ${kind}`;
      part("verdict").textContent = printable(words);
      part("verdict").hidden = false;
    });
    part("compare").hidden = false;
  }
})();
