"""Whether a metric is a share of the rows of a test set: successes divided by rows evaluated.

Only of a share the counts say everything, so that a test of two proportions applies. The names are
among those of `known_metrics`.
"""

from app.control_plane.registry.known_metrics import names
from app.control_plane.registry.metric_direction import known_words

_SHARES = names("""
    accuracy acc accuracy_score top_k_accuracy binary_accuracy categorical_accuracy
    sparse_categorical_accuracy top_k_categorical_accuracy sparse_top_k_categorical_accuracy
    acc_norm acc_bytes acc_all exact_match em exact pass hit_rate success_rate win_rate
    prompt_level_strict_acc prompt_level_loose_acc
    precision pre recall sensitivity specificity true_positive_rate true_negative_rate tpr tnr
    positive_predictive_value negative_predictive_value ppv npv
    error_rate err_rate misclassification_rate zero_one_loss binary_error multi_error merror
    false_positive_rate false_negative_rate false_discovery_rate false_omission_rate
    fpr fnr fdr fall_out
""")
# A mean of shares, of classes or of rows, is not itself the share of anything.
_AVERAGED = names("macro weighted samples balanced normalized median ema smoothed")


def is_share(metric: str) -> bool | None:
    """Whether a metric is a share of rows, by its name; None where the name does not tell."""
    metrics, qualifiers = known_words(metric)
    if not metrics:
        return None
    return metrics <= _SHARES and not qualifiers & _AVERAGED
