"""Which way metrics improve, by their names and where it is said."""

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
def test_less_is_better(name: str) -> None:
    assert improves_downwards(name)


@pytest.mark.parametrize("name", [*UP.split(), "", "___"])
def test_more_is_better(name: str) -> None:
    assert not improves_downwards(name)


def test_what_is_said_goes_before_what_is_known() -> None:
    said = {"loss": True, "accuracy": False}
    assert not improves_downwards("loss", said)
    assert improves_downwards("accuracy", said)
    assert improves_downwards("val_loss", said)
    assert not improves_downwards("f1", said)
