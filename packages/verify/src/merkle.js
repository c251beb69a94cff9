// The Merkle tree of RFC 6962: computing roots, and verifying inclusion and consistency proofs.
//
// Sizes may exceed 32 bits, so nodes are halved by division, not by a shift.
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equalBytes } from "./text.js";

export const EMPTY_ROOT = sha256(new Uint8Array(0));

/** The hash of a log entry as a leaf, 32 bytes (RFC 6962, section 2.1). */
export const leafHash = (entry) => sha256(concat(Uint8Array.of(0), entry));

const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));
const half = (node) => Math.floor(node / 2);
const isOdd = (node) => node % 2 === 1;
const isPowerOfTwo = (size) => (BigInt(size) & BigInt(size - 1)) === 0n;

/**
 * The root hash of the tree at several sizes.
 * @param {Iterable<Uint8Array>} leaves The leaf hashes, from the first on.
 * @param {Iterable<number>} sizes Numbers of leaves. Sizes beyond the leaves are missing in the result.
 * @returns {Map<number, Uint8Array>} The root by size.
 */
export function roots(leaves, sizes) {
  const requested = new Set(sizes);
  const bySize = new Map(requested.has(0) ? [[0, EMPTY_ROOT]] : []);
  // Complete subtrees from left to right: the number of their leaves, and their root.
  const peaks = [];
  let count = 0;
  for (const leaf of leaves) {
    count += 1;
    let peak = [1, leaf];
    while (peaks.length > 0 && peaks.at(-1)[0] === peak[0]) {
      const [size, left] = peaks.pop();
      peak = [2 * size, nodeHash(left, peak[1])];
    }
    peaks.push(peak);
    if (requested.has(count)) {
      bySize.set(count, peaks.map(([, root]) => root).reduceRight((right, left) => nodeHash(left, right)));
    }
  }
  return bySize;
}

/**
 * Whether a proof leads from a leaf to the root (RFC 9162, section 2.1.3.2).
 * @param {Uint8Array} leaf The leaf hash.
 * @param {number} index The index of the leaf, from 0 on.
 * @param {number} size The number of leaves.
 * @param {Uint8Array[]} proof The hashes of the proof.
 * @param {Uint8Array} root The root hash of the tree.
 */
export function inclusionHolds(leaf, index, size, proof, root) {
  if (!(index >= 0 && index < size)) return false;
  let [node, last, computed] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      computed = nodeHash(sibling, computed);
      while (!isOdd(node) && node) [node, last] = [half(node), half(last)];
    } else {
      computed = nodeHash(computed, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(computed, root);
}

/**
 * Whether a proof shows that one tree extends another (RFC 9162, section 2.1.4.2).
 * @param {number} first The number of leaves of the smaller tree.
 * @param {number} second The number of leaves of the larger tree.
 * @param {Uint8Array[]} proof The hashes of the proof.
 * @param {Uint8Array} firstRoot The root hash of the smaller tree.
 * @param {Uint8Array} secondRoot The root hash of the larger tree.
 */
export function consistencyHolds(first, second, proof, firstRoot, secondRoot) {
  if (!(first >= 0 && first <= second)) return false;
  if (first === second) return proof.length === 0 && equalBytes(firstRoot, secondRoot);
  if (first === 0) return proof.length === 0 && equalBytes(firstRoot, EMPTY_ROOT);
  // If the smaller tree is complete, its root is the node at which the proof begins.
  const path = isPowerOfTwo(first) ? [firstRoot, ...proof] : proof;
  if (path.length === 0) return false;
  let [node, last] = [first - 1, second - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let [before, after] = [path[0], path[0]];
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      [before, after] = [nodeHash(sibling, before), nodeHash(sibling, after)];
      while (!isOdd(node) && node) [node, last] = [half(node), half(last)];
    } else {
      after = nodeHash(after, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(before, firstRoot) && equalBytes(after, secondRoot);
}
