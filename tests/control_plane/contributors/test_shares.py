"""The shares of contributors in an improvement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.control_plane.contributors.shares import (
    WHOLE,
    ContributionRequest,
    as_list,
    has_wrong_checksum,
    shares,
)
from app.core.errors import UnprocessableError

ADDRESS = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


def contributions(*weights: int | None) -> list[ContributionRequest]:
    return [
        ContributionRequest(data_hash=str(number), weight_bps=weight)
        for number, weight in enumerate(weights)
    ]


def weights_of(*weights: int | None) -> list[int]:
    return [share.weight_bps for share in shares(contributions(*weights), ADDRESS)]


@pytest.mark.parametrize(
    ("given_weights", "expected"),
    [
        ([None], [10_000]),
        ([None, None, None], [3334, 3333, 3333]),
        ([5000, None, None], [5000, 2500, 2500]),
        ([None, 9997, None], [2, 9997, 1]),
        ([6000, 4000], [6000, 4000]),
    ],
)
def test_contributions_without_a_weight_share_the_rest(
    given_weights: list[int | None], expected: list[int]
) -> None:
    assert weights_of(*given_weights) == expected


@pytest.mark.parametrize("wrong", [[9999], [10_000, None], [5000, 5001], [9999, None, None]])
def test_weights_that_do_not_add_up_are_refused(wrong: list[int | None]) -> None:
    with pytest.raises(UnprocessableError, match="basis points"):
        weights_of(*wrong)


@given(st.lists(st.none() | st.integers(1, WHOLE), min_size=1, max_size=40))
def test_weights_add_up_or_are_refused(given_weights: list[int | None]) -> None:
    try:
        found = weights_of(*given_weights)
    except UnprocessableError:
        return
    assert sum(found) == WHOLE
    assert min(found) > 0
    assert weights_of(*given_weights) == found


@pytest.mark.parametrize("name", ["weight", "weight_bp", "Share", "percent", "BPS", "wieght_bps"])
@pytest.mark.parametrize("value", [0.8, "8000", None, {"bps": 1}])
def test_a_misspelt_share_is_refused_with_what_is_meant(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match="did you mean weight_bps, the share") as refused:
        ContributionRequest.model_validate({name: value, "weight_bps": 5000})
    assert refused.value.errors()[0]["loc"] == (name,)


def test_samples_is_another_name_for_data_size() -> None:
    one = ContributionRequest.model_validate({"samples": 5, "note": "x"})
    both = ContributionRequest.model_validate({"samples": 5, "data_size": 6, "data_hash": "h"})
    found = shares([one, both], ADDRESS)
    assert [share.data_size for share in found] == [5, 6]
    assert [share.details for share in found] == [{"note": "x"}, {"samples": 5}]


def test_only_mixed_case_claims_a_checksum() -> None:
    assert not has_wrong_checksum(ADDRESS)
    assert not has_wrong_checksum(ADDRESS.lower())
    assert not has_wrong_checksum("0x" + ADDRESS[2:].upper())
    assert has_wrong_checksum("0x742d35Cc6634C0532925a3b844Bc9e7595f62341")


def test_contributions_are_none_one_or_several() -> None:
    one = ContributionRequest(data_hash="a")
    assert as_list(None) == []
    assert as_list(one) == [one]
    assert as_list([one, one]) == [one, one]


def test_a_contribution_names_its_contributor_or_has_the_default() -> None:
    other = "0x" + "11" * 20
    named = ContributionRequest(contributor=other.upper().replace("X", "x"), data_hash="a")
    found = shares([named, ContributionRequest(data_hash="b")], ADDRESS.lower())
    assert [share.address for share in found] == [other, ADDRESS]
    with pytest.raises(UnprocessableError, match="contributor_address"):
        shares([ContributionRequest()], None)


def test_a_contributor_gives_the_same_data_once() -> None:
    one = ContributionRequest(data_hash="a")
    assert len(shares([one, ContributionRequest(data_hash="b")], ADDRESS)) == 2
    with pytest.raises(UnprocessableError, match="twice"):
        shares([one, one], ADDRESS)


def test_details_that_cannot_be_stored_are_refused() -> None:
    for details in ({"note": "nul\0"}, {"rows": 2**60}, {"key": "hk_live_" + "a" * 43 + "_bbbbbb"}):
        with pytest.raises(UnprocessableError, match="data_contribution"):
            shares([ContributionRequest.model_validate(details)], ADDRESS)
