"""Results are mappings with attributes."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from hokusai.results import Attestation, RegisteredModel

RESULT = RegisteredModel({"model_id": "hkm_1", "metrics": {"accuracy": 0.5}, "brand_new": 1})


def test_members_are_items_and_attributes() -> None:
    assert RESULT["model_id"] == RESULT.model_id == "hkm_1"
    assert RESULT["brand_new"] == RESULT.brand_new == 1
    assert set(RESULT) == {"model_id", "metrics", "brand_new"}
    assert len(RESULT) == 3
    assert RESULT.get("token_id") is None


def test_a_missing_member_fails_as_in_any_mapping_or_object() -> None:
    with pytest.raises(KeyError, match="token_id"):
        RESULT["token_id"]
    with pytest.raises(AttributeError, match="token_id"):
        RESULT.token_id  # noqa: B018 - to read it is the test


def test_members_named_as_builtins_are_the_documents() -> None:
    attestation = Attestation({"hash": "ab", "bytes": "{}", "log": None})

    assert (attestation.hash, attestation.bytes, attestation.log) == ("ab", "{}", None)


def test_it_is_json_a_copy_and_a_pickle() -> None:
    assert json.loads(json.dumps(dict(RESULT))) == RESULT
    assert copy.deepcopy(RESULT) == RESULT
    again = pickle.loads(pickle.dumps(RESULT))  # noqa: S301 - our own
    assert again == RESULT
    assert again.model_id == "hkm_1"


def test_nothing_can_be_set_through_it() -> None:
    with pytest.raises(TypeError):
        RESULT["model_id"] = "other"
