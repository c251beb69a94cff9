"""The SDK verifies offline what a running gateway issues, and agrees with it on invalid documents.

Imported by name only here, as a user's program would: it shares no code with the gateway.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hokusai.verify import LogExport, Result, verify

from app.control_plane.attestations.verification import is_valid
from app.control_plane.attestations.verification import verify as gateway_verify
from app.control_plane.transparency_log.checkpoint import CheckpointVerifier
from tests.support.responses import good
from tests.support.training import Training
from tests.support.transparency_log import NOTE


@pytest.fixture(scope="module")
def known(anyone: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = good(anyone.get("/.well-known/hokusai-attestor.json"))
    return found


def exported(anyone: httpx.Client) -> LogExport:
    pages, start = [], 0
    while start is not None:
        query = {"start": start, "limit": 3}
        page = good(anyone.get("/api/attestations/log/entries", params=query))
        pages.append(page)
        start = page["next"]
    return LogExport.read(pages)


def test_every_kind_of_attestation_passes_all_checks(
    trainer: Training, anyone: httpx.Client, known: dict[str, Any]
) -> None:
    run = trainer.run(accuracy=0.7, loss=1e-300)
    version = trainer.version("verified-offline", run)
    documents = [
        trainer.improvement(),
        trainer.improvement(before=12.0, after=10.5, metric="rmse", data_contribution=None),
        good(trainer.attest(improved_run_id=run), 201),
        good(trainer.attest(model_name="verified-offline", model_version=version), 201),
        good(trainer.attest(kind="claimed", metrics={"accuracy": 1}), 201),
    ]
    export = exported(anyone)
    for document in documents:
        report = verify(document, known=known, log=export)
        assert report.complete, report.as_dict()
        assert report.data == document["data"]


def test_a_later_document_is_consistent_with_an_earlier_checkpoint(
    trainer: Training, anyone: httpx.Client, known: dict[str, Any]
) -> None:
    document = trainer.improvement()
    early = anyone.get("/api/attestations/log", headers=NOTE).text
    trainer.improvement()
    later = good(trainer.client.get(f"/api/attestations/{document['hash']}"))
    sizes = {"first": int(early.split("\n")[1]), "second": later["log"]["tree_size"]}
    assert sizes["first"] < sizes["second"]
    proof = good(anyone.get("/api/attestations/log/proof", params=sizes))
    report = verify(later, known=known, checkpoint=early, consistency=proof)
    assert report["consistency"].result is Result.HOLDS
    assert report.ok


def test_a_revocation_is_found_in_an_export_of_the_log(
    trainer: Training, anyone: httpx.Client, known: dict[str, Any]
) -> None:
    document = trainer.improvement()
    path = f"/api/attestations/{document['hash']}/revoke"
    good(trainer.client.post(path, json={"reason": "It leaked."}))
    assert verify(document, known=known).ok
    report = verify(document, known=known, log=exported(anyone))
    assert report["revocation"].result is Result.FAILS
    assert not report.ok


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, (*path, key))
    else:
        yield path


def test_a_change_of_any_member_is_found(
    attestation: dict[str, Any], anyone: httpx.Client, known: dict[str, Any]
) -> None:
    """What the gateway finds invalid after a change, the SDK finds invalid too."""
    paths = list(leaves(attestation))
    assert len(paths) > 90
    for path in paths:
        document = copy.deepcopy(attestation)
        place = document
        for step in path[:-1]:
            place = place[step]
        before = place[path[-1]]
        # Another value of the same JSON type: the next number, a longer text.
        place[path[-1]] = (
            (not before)
            if isinstance(before, bool)
            else before + 1
            if isinstance(before, int | float)
            else f"{before}0"
        )
        assert not verify(document, known=known).ok, path
        body = json.dumps(document)
        if not good(anyone.post("/api/attestations/verify", content=body))["valid"]:
            assert not verify(body, known=known).ok


def other_forms(value: Any) -> Iterator[Any]:
    """Other ways to write a value, some of which mean the same."""
    if isinstance(value, str):
        yield from (value.upper(), value.lower(), f"{value} ", f" {value}", f"{value}\0", [value])
        yield from (value.replace("0x", "0X"), value.removeprefix("0x"), f"{value[:2]} {value[2:]}")
        for zone in (".000000Z", ",000Z", "+00:00", "+0000", "z", ""):
            yield value.replace("Z", zone)
    elif isinstance(value, int | float):
        yield from (float(value), str(value), bool(value), -value, [value], None)
    else:
        yield from (None, 0, False, "", {}, [])


def test_sdk_and_gateway_agree_on_other_forms_of_each_member(
    attestation: dict[str, Any], anyone: httpx.Client, known: dict[str, Any]
) -> None:
    signers, keys = known["signers"], [CheckpointVerifier.parse(known["log"]["key"])]
    compared = 0
    for path in leaves(attestation):
        parent = attestation
        for step in path[:-1]:
            parent = parent[step]
        for form in other_forms(parent[path[-1]]):
            document = copy.deepcopy(attestation)
            place = document
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = form
            # What /verify decides without its log.
            is_valid_here = is_valid(gateway_verify(document, signers, keys))
            report = verify(document, known=known)
            is_valid_there = report.ok and report["inclusion"].result is Result.HOLDS
            assert is_valid_here == is_valid_there, (path, form)
            compared += 1
    assert compared > 500


@pytest.mark.parametrize(
    ("before", "after", "is_valid_there"),
    [
        ("\N{EM DASH} other eA==\n" * 15, "", True),
        ("\N{EM DASH} other eA==\n" * 16, "", False),
        ("\N{EM DASH} other eA==\u2028", "", False),
        ("", "\N{EM DASH} other eA==\n" * 1000, True),
        ("", "\N{EM DASH} other eA==\n" * 6000, False),
    ],
)
def test_sdk_and_gateway_read_the_same_lines_of_a_checkpoint(
    attestation: dict[str, Any],
    anyone: httpx.Client,
    known: dict[str, Any],
    before: str,
    after: str,
    is_valid_there: bool,
) -> None:
    """A note may have 16 signatures, one a line, and 64 KiB."""
    document = copy.deepcopy(attestation)
    body, _, signatures = document["log"]["checkpoint"].rpartition("\n\n")
    document["log"]["checkpoint"] = f"{body}\n\n{before}{signatures}{after}"
    report = verify(document, known=known)
    assert (report["checkpoint"].result is Result.HOLDS) == is_valid_there
    found = good(anyone.post("/api/attestations/verify", json=document))
    assert found["checks"]["inclusion"]["ok"] == is_valid_there
