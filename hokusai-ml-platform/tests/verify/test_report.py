"""What a report says about its checks."""

from __future__ import annotations

import json

import pytest

from hokusai.verify import Check, Report, Result


def report_of(**results: Result) -> Report:
    checks = tuple(Check(name, result, f"about {name}") for name, result in results.items())
    return Report(checks=checks, hash="9f", signer="0xab", data={"kind": "claimed"})


ESSENTIAL = {"hash": Result.HOLDS, "signature": Result.HOLDS, "signer": Result.HOLDS}


def test_it_passes_if_the_essential_checks_hold_and_none_fails() -> None:
    assert report_of(**ESSENTIAL).ok
    assert report_of(**ESSENTIAL, eas=Result.UNCHECKED).ok
    assert not report_of(**ESSENTIAL, eas=Result.FAILS).ok
    for name in ESSENTIAL:
        assert not report_of(**{**ESSENTIAL, name: Result.UNCHECKED}).ok


def test_it_is_complete_if_every_check_holds() -> None:
    assert report_of(**ESSENTIAL, eas=Result.HOLDS).complete
    assert not report_of(**ESSENTIAL, eas=Result.UNCHECKED).complete


def test_a_check_is_found_by_its_name() -> None:
    report = report_of(**ESSENTIAL)

    assert report["signer"].detail == "about signer"
    with pytest.raises(KeyError):
        report["eas"]


def test_the_kind_is_known_if_the_data_is() -> None:
    assert report_of(**ESSENTIAL).kind == "claimed"
    assert Report(checks=(), hash=None, signer=None, data=None).kind is None


def test_it_can_be_written_as_json() -> None:
    document = json.loads(json.dumps(report_of(**ESSENTIAL).as_dict()))

    assert document["checks"][0] == {"name": "hash", "result": "holds", "detail": "about hash"}
    assert {name: document[name] for name in ("ok", "complete", "hash", "kind", "signer")} == {
        "ok": True,
        "complete": True,
        "hash": "9f",
        "kind": "claimed",
        "signer": "0xab",
    }


def test_a_result_is_shown_in_words() -> None:
    assert [str(result) for result in Result] == [
        "holds",
        "does not hold",
        "could not be checked",
    ]
