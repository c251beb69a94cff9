"""Which way a metric improves: accuracy upwards, loss downwards."""

import itertools
import re
from collections.abc import Mapping

# One of these words in a metric's name, and less of it is better.
_DOWNWARDS = frozenset(
    """
    loss losses logloss nll crossentropy entropy perplexity ppl bpc bpb divergence kl fid brier
    hinge hamming pinball error errors err rmse mse mae mape smape wape mase medae msle rmsle rmsd
    msd rss sse residual residuals misclassification ece eer wer cer ter mer fpr fnr fdr regret
    distance deviation aic bic latency duration time runtime seconds ms cost
    """.split()  # noqa: SIM905 - a list of so many would fill a page
)
# Pairs of words that say the same where one of them alone would not.
_DOWNWARDS_PAIRS = frozenset({("false", "positive"), ("false", "negative"), ("false", "discovery")})
# scikit-learn's scorers of losses are negated, so that more is better.
_NEGATED = frozenset({"neg", "negative"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def improves_downwards(metric: str, higher_is_better: Mapping[str, bool] | None = None) -> bool:
    """Whether less of a metric is better.

    `higher_is_better` says so for metrics by their exact name and goes before what is known of
    names. The words of a name count, however they are joined and cased: `val_loss`, `testRMSE`,
    `latency-p99`. A name that nothing is known of improves upwards.
    """
    if higher_is_better is not None and metric in higher_is_better:
        return not higher_is_better[metric]
    words = [word.lower() for word in _WORD.findall(metric)]
    if words and words[0] in _NEGATED:
        return False
    if not _DOWNWARDS.isdisjoint(words):
        return True
    return any(pair in _DOWNWARDS_PAIRS for pair in itertools.pairwise(words))
