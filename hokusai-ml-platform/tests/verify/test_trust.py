"""Naming attestors and log keys to trust."""

from __future__ import annotations

from typing import Any

import pytest

from hokusai.errors import DocumentError, InputError
from hokusai.verify.trust import Trust
from vector_file import KNOWN, LOG_KEY, SIGNER, without

OTHER = "0x" + "11" * 20


def test_one_value_or_several_are_accepted() -> None:
    assert Trust.parse(SIGNER.lower(), LOG_KEY).attestors == {SIGNER}
    trust = Trust.parse([SIGNER, OTHER], [LOG_KEY])
    assert trust.attestors == {SIGNER, OTHER}
    assert [str(key) for key in trust.log_keys] == [LOG_KEY.rsplit("+", 1)[0]]
    assert Trust.parse() == Trust()


@pytest.mark.parametrize("arguments", [{"attestors": "0x12"}, {"log_keys": ["log"]}])
def test_a_value_that_is_not_valid_is_rejected(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="is not valid"):
        Trust.parse(**arguments)


def test_a_well_known_document_names_all_attestors_and_keys() -> None:
    trust = Trust.from_well_known({**KNOWN, "signers": [*KNOWN["signers"], OTHER]})

    assert trust.attestors == {SIGNER, OTHER}
    assert len(trust.log_keys) == 1


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        without(KNOWN, "log"),
        {**KNOWN, "signer": "0x12"},
        {**KNOWN, "log": {"key": "log", "keys": []}},
    ],
)
def test_another_document_is_rejected(document: Any) -> None:
    with pytest.raises(DocumentError, match="not a gateway's attestor document"):
        Trust.from_well_known(document)


def test_trust_can_be_combined() -> None:
    combined = Trust.parse(SIGNER) | Trust.parse(OTHER, LOG_KEY)

    assert combined.attestors == {SIGNER, OTHER}
    assert len(combined.log_keys) == 1
