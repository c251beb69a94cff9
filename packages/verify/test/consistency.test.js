import assert from "node:assert/strict";
import { test } from "node:test";
import { LogExport, checkConsistency } from "../src/index.js";
import { consistencyHolds, inclusionHolds, leafHash, roots } from "../src/merkle.js";
import { utf8 } from "../src/text.js";
import { VECTORS, changed } from "./vectors.js";

const { early_checkpoint: early, checkpoint: late, consistency: proof, log_pages: pages } = VECTORS;
const logKeys = VECTORS.known.log.key;
const log = LogExport.read(pages);

const withRoot = (note) => note.split("\n").with(2, `${"A".repeat(43)}=`).join("\n");

for (const [about, one, other, options, result, words] of [
  ["a proof between two checkpoints", early, late, { proof, logKeys }, "holds", "of 5 entries extends that of 1"],
  ["in the other order", late, early, { proof, logKeys }, "holds", "of 5 entries extends that of 1"],
  ["a copy of the log", early, late, { log, logKeys }, "holds", "of 5 entries extends that of 1"],
  ["the same checkpoint twice", late, late, { logKeys }, "holds", "of 5 entries"],
  ["no key", early, late, { proof }, "holds", "you have named no log key"],
  ["no proof", early, late, { logKeys }, "unchecked", "first=1&second=5"],
  ["a proof between other sizes", early, late, { proof: { ...proof, first: 2 }, logKeys }, "unchecked", "first=1"],
  ["a wrong proof", early, late, { proof: changed(proof, ["proof", 0], "00".repeat(32)), logKeys }, "fails", "not lead"],
  ["an empty proof", early, late, { proof: {}, logKeys }, "fails", "first is missing"],
  ["an unsigned checkpoint", early, withRoot(late), { proof, logKeys }, "fails", "signed both"],
  ["two trees of one size", late, withRoot(late), {}, "fails", "two different trees"],
  ["two logs", early, late.replace("hokusai", "other"), { proof }, "fails", "one is a checkpoint of"],
  ["another copy", withRoot(early), late, { log }, "fails", "do not match both"],
]) {
  test(about, () => {
    const check = checkConsistency(one, other, options);
    assert.equal(check.name, "consistency");
    assert.equal(check.result, result, check.detail);
    assert.ok(check.detail.includes(words), check.detail);
  });
}

test("what is not a checkpoint or a key is an error", () => {
  assert.throws(() => checkConsistency("x", late), { name: "DocumentError", message: /not a valid checkpoint/ });
  assert.throws(() => checkConsistency(early, late, { logKeys: "x" }), { name: "InputError" });
});

test("every proof of small trees holds, and no other one does", () => {
  const leaves = Array.from({ length: 17 }, (_, index) => leafHash(utf8(`entry ${index}`)));
  const root = (from, to) => roots(leaves.slice(from, to), [to - from]).get(to - from);
  const split = (size) => 2 ** Math.floor(Math.log2(size - 1));
  const path = (index, from, to) => {
    if (to - from === 1) return [];
    const middle = from + split(to - from);
    return index < middle
      ? [...path(index, from, middle), root(middle, to)]
      : [...path(index, middle, to), root(from, middle)];
  };
  const subproof = (first, from, to, isKnown) => {
    if (first === to) return isKnown ? [] : [root(from, to)];
    const middle = from + split(to - from);
    return first <= middle
      ? [...subproof(first, from, middle, isKnown), root(middle, to)]
      : [...subproof(first, middle, to, false), root(from, middle)];
  };
  for (let size = 1; size <= leaves.length; size += 1) {
    for (let index = 0; index < size; index += 1) {
      const proof = path(index, 0, size);
      assert.ok(inclusionHolds(leaves[index], index, size, proof, root(0, size)));
      assert.ok(!inclusionHolds(leaves[index], index, size, [...proof, leaves[0]], root(0, size)));
      assert.ok(!inclusionHolds(leaves[index], index + 1, size, proof, root(0, size)));
      if (proof.length > 0) assert.ok(!inclusionHolds(leaves[index], index, size, proof.slice(1), root(0, size)));
      const first = index + 1;
      const extension = subproof(first, 0, size, true);
      assert.ok(consistencyHolds(first, size, extension, root(0, first), root(0, size)));
      assert.ok(!consistencyHolds(first, size, [...extension, leaves[0]], root(0, first), root(0, size)));
      assert.ok(!consistencyHolds(first, size, extension, leafHash(utf8("x")), root(0, size)));
    }
  }
  // Beyond 32 bits too.
  const large = 2 ** 40 + 1;
  assert.ok(!inclusionHolds(leaves[0], 2 ** 40, large, [], leaves[0]));
  assert.ok(inclusionHolds(leaves[1], 2 ** 40, large, [leaves[0]], roots(leaves.slice(0, 2), [2]).get(2)));
});
