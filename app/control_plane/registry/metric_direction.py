"""Which way a metric improves: accuracy upwards, loss downwards."""

import itertools
import re
from collections.abc import Mapping

# A metric whose name contains one of these words improves downwards.
_DOWNWARDS = frozenset(
    """
    loss losses logloss nll crossentropy entropy perplexity ppl bpc bpb divergence kl fid brier
    hinge hamming pinball error errors err rmse mse mae mape smape wape mase medae msle rmsle rmsd
    msd rss sse residual residuals misclassification ece eer wer cer ter mer fpr fnr fdr regret
    distance deviation aic bic latency duration time runtime seconds ms cost
    """.split()  # noqa: SIM905 - a list literal of so many would fill a page
)
# Two adjacent words that mean it together, where neither does alone.
_DOWNWARDS_PAIRS = frozenset({("false", "positive"), ("false", "negative"), ("false", "discovery")})
# scikit-learn negates losses for its scorers (`neg_log_loss`), so these improve upwards.
_NEGATED = frozenset({"neg", "negative"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def improves_downwards(metric: str, higher_is_better: Mapping[str, bool] | None = None) -> bool:
    """Whether a lower value of a metric is better.

    higher_is_better: the stated directions, by the exact name of a metric; they take precedence.
    Otherwise the words of the name decide, however they are joined and cased: `val_loss`,
    `testRMSE`, `latency-p99`. A name without a known word improves upwards.
    """
    if higher_is_better is not None and metric in higher_is_better:
        return not higher_is_better[metric]
    words = [word.lower() for word in _WORD.findall(metric)]
    if words and words[0] in _NEGATED:
        return False
    if not _DOWNWARDS.isdisjoint(words):
        return True
    return any(pair in _DOWNWARDS_PAIRS for pair in itertools.pairwise(words))
