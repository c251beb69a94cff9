"""Which names of members are meant for a known member of a contribution."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.contributors.member_names import MEMBERS, meant_member

MEANT = {
    "weight_bps": (
        "weight weight_bp weights share shares bps bp percent percentage pct fraction proportion "
        "Weight_BPS weightBps weight-bps WEIGHT weight_bps_ wieght_bps wight weigth_bps shre "
        "weihgt contributor_share share_percent data_share basis_points basisPoints shareBps "
        "weight% contribution contributionWeight reward_share \uff57eight"
    ),
    "contributor": "Contributor contribtor contributors contributor_address address wallet_address",
    "data_size": "size dataSize n_samples num_samples sampels sample_count Samples datasize",
    "data_hash": "hash dataHash data_hsah sha256 dataset_hash data-hash",
}
OWN = (
    "note source license region date name data_type dataset data_path description labels columns "
    "rows records schema url version format quality language height shape market_share_region "
    "sample_weight class_weights notes price stage model collected_at created_at id side state "
    "指标 _ checksum_algorithm unit consent"
)


@pytest.mark.parametrize("member", MEANT)
def test_names_near_a_known_member_are_meant_for_it(member: str) -> None:
    names = MEANT[member].split()
    assert {name: meant_member(name) for name in names} == dict.fromkeys(names, member)


def test_other_names_are_details() -> None:
    assert {name: meant_member(name) for name in OWN.split()} == dict.fromkeys(OWN.split())


@given(st.sampled_from(sorted(MEMBERS)), st.data())
def test_one_edit_of_a_known_name_is_meant_for_it(member: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(member) - 2))
    letter = data.draw(st.sampled_from("aqz"))
    swapped = member[:place] + member[place + 1] + member[place] + member[place + 2 :]
    edited = data.draw(
        st.sampled_from(
            [
                member[:place] + member[place + 1 :],
                member[:place] + letter + member[place:],
                member[:place] + letter + member[place + 1 :],
                swapped,
                member.upper(),
                member.title(),
                member.replace("_", "-"),
            ]
        )
    )
    assert meant_member(edited) == member


@given(st.text(max_size=300))
def test_any_text_has_an_outcome(name: str) -> None:
    assert meant_member(name) in {None, *MEMBERS}
