"""Which way metrics improve, by their names or as stated."""

import pytest

from app.control_plane.registry.metric_direction import improves_downwards

DOWN = (
    "loss val_loss train/loss log_loss logLoss error error_rate rmse RMSE test_rmse testRMSE "
    "valMSE mae MAE mean_squared_error mse mape latency latency_p99 latency-ms p95.latency "
    "perplexity wer false_positive_rate fpr inference_time brier_score_loss cross_entropy "
    "eval_runtime max_error"
)
UP = (
    "accuracy f1_score f1 auc roc_auc precision recall r2 R2_score bleu rouge1 neg_log_loss "
    "neg_mean_squared_error true_positive_rate ndcg@10 reward throughput iou timeliness terror "
    "lossless negative_predictive_value 1 指标"
)


@pytest.mark.parametrize("name", DOWN.split())
def test_a_lower_value_is_better(name: str) -> None:
    assert improves_downwards(name)


@pytest.mark.parametrize("name", [*UP.split(), "", "___"])
def test_a_higher_value_is_better(name: str) -> None:
    assert not improves_downwards(name)


def test_a_stated_direction_takes_precedence_over_the_name() -> None:
    stated = {"loss": True, "accuracy": False}
    assert not improves_downwards("loss", stated)
    assert improves_downwards("accuracy", stated)
    assert improves_downwards("val_loss", stated)
    assert not improves_downwards("f1", stated)
