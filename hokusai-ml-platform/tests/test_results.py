"""Results are mappings with attributes."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from hokusai.results import Attestation, RegisteredModel

MODEL = RegisteredModel({"model_id": "hkm_1", "metrics": {"accuracy": 0.5}, "brand_new": 1})


def test_members_are_keys_and_attributes() -> None:
    assert MODEL["model_id"] == MODEL.model_id == "hkm_1"
    assert MODEL["brand_new"] == MODEL.brand_new == 1
    assert set(MODEL) == {"model_id", "metrics", "brand_new"}
    assert len(MODEL) == 3
    assert MODEL.get("token_id") is None


def test_a_missing_member_raises_key_error_or_attribute_error() -> None:
    with pytest.raises(KeyError, match="token_id"):
        MODEL["token_id"]
    with pytest.raises(AttributeError, match="token_id"):
        MODEL.token_id  # noqa: B018 - reading it is the test


def test_a_member_may_have_the_name_of_a_builtin() -> None:
    attestation = Attestation({"hash": "ab", "bytes": "{}", "log": None})

    assert (attestation.hash, attestation.bytes, attestation.log) == ("ab", "{}", None)


def test_it_can_be_written_as_json_copied_and_pickled() -> None:
    assert json.loads(json.dumps(dict(MODEL))) == MODEL
    assert copy.deepcopy(MODEL) == MODEL
    unpickled = pickle.loads(pickle.dumps(MODEL))  # noqa: S301 - pickled here
    assert unpickled == MODEL
    assert unpickled.model_id == "hkm_1"


def test_it_is_read_only() -> None:
    with pytest.raises(TypeError):
        MODEL["model_id"] = "other"


def test_its_representation_shows_class_and_members() -> None:
    assert repr(Attestation({"hash": "ab"})) == "Attestation({'hash': 'ab'})"
