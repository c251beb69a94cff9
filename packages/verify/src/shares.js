// The shares of rows that follow from the counts of a proof, such as accuracy or recall: which rows are
// looked at and which of them count, by label and prediction. `byLabel`: whether the same rows are looked
// at of both models. `agreement`: whether the counts of that statement show it too.
const all = () => true;
const SHARES = [
  { names: ["accuracy"], looksAt: all, counts: (y, p) => y === p, byLabel: true, agreement: true },
  { names: ["error_rate"], looksAt: all, counts: (y, p) => y !== p, byLabel: true, agreement: true },
  { names: ["recall", "sensitivity"], looksAt: (y) => y === 1, counts: (y, p) => p === 1, byLabel: true },
  { names: ["false_negative_rate"], looksAt: (y) => y === 1, counts: (y, p) => p === 0, byLabel: true },
  { names: ["specificity"], looksAt: (y) => y === 0, counts: (y, p) => p === 0, byLabel: true },
  { names: ["false_positive_rate"], looksAt: (y) => y === 0, counts: (y, p) => p === 1, byLabel: true },
  { names: ["precision"], looksAt: (y, p) => p === 1, counts: (y) => y === 1 },
  { names: ["negative_predictive_value"], looksAt: (y, p) => p === 0, counts: (y) => y === 0 },
];
const CELLS = Array.from({ length: 8 }, (_, n) => [n >> 2, (n >> 1) & 1, n & 1]);
// For each count of `agreement`, as if the label were 1, whether each model is right.
const AGREEMENT = [
  [1, 1, 1],
  [1, 1, 0],
  [1, 0, 1],
  [1, 0, 0],
];

/**
 * What the share of a metric is by the counts of a proof, as the members of an evaluation; counts are
 * BigInts. Gateways know further names of metrics, for which each share is returned.
 */
export function* shownBy(statement, counts, metric) {
  const rows = statement === "agreement" ? AGREEMENT : CELLS;
  const total = (wanted) => counts.reduce((sum, count, at) => (wanted(...rows[at]) ? sum + count : sum), 0n);
  const named = SHARES.filter(({ names }) => names.includes(metric));
  for (const { looksAt, counts: isCounted, byLabel, agreement } of named.length ? named : SHARES) {
    if (statement === "agreement" && !agreement) continue;
    const of = (prediction) => ({
      successes: total((y, b, i) => looksAt(y, prediction(b, i)) && isCounted(y, prediction(b, i))),
      sample_size: total((y, b, i) => looksAt(y, prediction(b, i))),
    });
    const only = (one, other) =>
      total((y, b, i) => looksAt(y, b) && isCounted(y, one(b, i)) && !isCounted(y, other(b, i)));
    const [baseline, improved] = [(b) => b, (b, i) => i];
    yield {
      baseline: of(baseline),
      improved: of(improved),
      discordant: byLabel
        ? { baseline_only: only(baseline, improved), improved_only: only(improved, baseline) }
        : null,
    };
  }
}
