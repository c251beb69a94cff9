"""Registrations with arbitrary contents are accepted or refused, and never an internal error."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.training import Training

ABSENT = "0" * 32
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
FIELDS = {
    "baseline": ("model_type", "name", "metadata", "metrics", "higher_is_better", "run_id"),
    "improved": ("contributor_address", "data_contribution", "baseline_model_id", "metadata"),
    "tokenized": ("model_name", "token_id", "metric_name", "baseline_value", "additional_tags"),
}
FIXED: dict[str, dict[str, Any]] = {
    "baseline": {"model_type": "c"},
    "improved": {"baseline_model_id": "hkm_absent", "contributor_address": "0x" + "1" * 40},
    "tokenized": {"model_name": "M", "token_id": "t", "metric_name": "a", "baseline_value": 0},
}


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(sorted(FIELDS)), st.integers(0, 5), JSON)
@example("tokenized", 3, 10**400)
@example("baseline", 3, {"a": 10**400})
@example("baseline", 2, {"a": 10**400})
@example("improved", 1, {"data_size": 2**63})
@example("improved", 1, {"more": 2**70})
@example("improved", 1, [])
@example("improved", 1, [{"weight_bps": 1e4}])
def test_any_value_of_a_member_is_refused_or_not_found(
    training: Training, kind: str, number: int, value: Any
) -> None:
    field = FIELDS[kind][number % len(FIELDS[kind])]
    body = {"run_id": ABSENT} | FIXED[kind] | {field: value}
    response = training.client.post(
        f"/api/models/{kind}",
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code in (400, 404, 422), (body, response.text)
    assert response.json()["reason"] in ("invalid_parameter", "validation_failed", "not_found")


@pytest.mark.parametrize(
    "metadata",
    [
        '{"a": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"a\\u0000": 1}',
        '{"a": ' + "[" * 40 + "]" * 40 + "}",
        '{"a": ' + "[" * 800 + "]" * 800 + "}",
        '{"a": 1' + "0" * 5000 + "}",
        '{"hk_live_' + "a" * 43 + "_" + "b" * 6 + '": 1}',
    ],
    ids=range(7),
)
def test_metadata_that_cannot_be_stored_is_refused(training: Training, metadata: str) -> None:
    text = f'{{"run_id": "{ABSENT}", "model_type": "c", "metadata": {metadata}}}'
    response = training.client.post(
        "/api/models/baseline", content=text, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in (400, 422), response.text
    assert response.json()["reason"] in ("invalid_parameter", "validation_failed")


def test_metadata_is_stored_unchanged(training: Training) -> None:
    metadata = {
        "ünï": "😀 <b>'\";--",
        "z": [1, 2.5, -0.25, 1e-300, None, True, {"b": {}, "a": []}],
        "large": 2**53 - 1,
        "metrics": "none",
    }
    model = training.registered(
        "baseline", run_id=training.run(a=1), model_type="ünï", metadata=metadata
    )
    assert training.get(f"/api/models/{model['model_id']}")["metadata"] == metadata
    assert model["metrics"] == {"large": 2**53 - 1}
