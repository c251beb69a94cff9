"""What an attestation request may contain, and how a wrong one is explained."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.control_plane.attestations.schemas import AttestationRequest
from app.core.validation_errors import problems_with

ADDRESS = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


def request(**members: Any) -> AttestationRequest:
    return AttestationRequest.model_validate({"improved_run_id": "r1", **members})


def test_metrics_are_of_the_improved_model_or_of_both() -> None:
    one = request(metrics={"accuracy": 0.5})
    assert (one.claimed_improved, one.claimed_baseline) == ({"accuracy": 0.5}, {})
    both = request(metrics={"baseline": {"a": 0.1}, "improved": {"a": 0.2}})
    assert (both.claimed_improved, both.claimed_baseline) == ({"a": 0.2}, {"a": 0.1})
    assert (request().claimed_improved, request().claimed_baseline) == ({}, {})


def test_metrics_may_have_the_names_of_the_two_models() -> None:
    named = request(metrics={"baseline": 0.1, "improved": 0.2})
    assert named.claimed_improved == {"baseline": 0.1, "improved": 0.2}


def test_contributions_are_none_one_or_several() -> None:
    assert request().contributions == []
    one = {"contributor": ADDRESS}
    assert len(request(data_contribution=one).contributions) == 1
    assert len(request(data_contribution=[one, one]).contributions) == 2


@pytest.mark.parametrize(
    ("members", "places"),
    [
        ({"metrics": {"a": "1"}}, ["metrics.a"]),
        ({"metrics": []}, ["metrics"]),
        ({"metrics": {"baseline": {"a": 1.0}}}, ["metrics.improved"]),
        ({"metrics": {"baseline": {}, "improved": {"a": True}}}, ["metrics.improved.a"]),
        ({"data_contribution": {"data_size": -1}}, ["data_contribution.data_size"]),
        ({"data_contribution": []}, ["data_contribution"]),
        ({"data_contribution": [{"weight_bps": 0}]}, ["data_contribution[0].weight_bps"]),
        ({"data_contribution": 7}, ["data_contribution"]),
    ],
)
def test_an_error_is_about_the_form_that_was_sent(
    members: dict[str, Any], places: list[str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        request(**members)
    assert [one.where for one in problems_with(AttestationRequest, caught.value)] == places


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"improved_run_id": None}, "give the model to attest"),
        ({"model_id": "m"}, "give only one of improved_model_id"),
        ({"baseline_run_id": "a", "baseline_model_id": "b"}, "give only one of baseline_model_id"),
        ({"improved_run_id": None, "model_name": "n"}, "together"),
        ({"kind": "claimed"}, "needs metrics"),
    ],
)
def test_members_that_exclude_or_need_each_other(members: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        request(**members)
