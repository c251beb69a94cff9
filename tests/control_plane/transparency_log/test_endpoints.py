"""The transparency log over HTTP: its proofs, and that nothing in it can be changed."""

import threading
from typing import Any

import httpx
import psycopg2
import pytest
from hokusai.verify.merkle import consistency_holds

from app.control_plane.transparency_log import merkle
from app.control_plane.transparency_log.checkpoint import CheckpointVerifier
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.transparency_log import NOTE


def claim(trainer: Training, number: float) -> httpx.Response:
    """An attestation that needs no request to MLflow."""
    return trainer.attest(kind="claimed", metrics={"accuracy": number})


@pytest.fixture(scope="module")
def grown(trainer: Training) -> None:
    """Makes the log have some entries."""
    for number in range(9):
        good(claim(trainer, number / 100), 201)


def log_view(anyone: httpx.Client) -> dict[str, Any]:
    response = anyone.get("/api/attestations/log")
    found: dict[str, Any] = good(response)
    return found


def verifier(anyone: httpx.Client) -> CheckpointVerifier:
    known = good(anyone.get("/.well-known/hokusai-attestor.json"))
    return CheckpointVerifier.parse(known["log"]["key"])


def test_the_checkpoint_is_json_or_a_signed_note_in_plain_text(
    anyone: httpx.Client, grown: None
) -> None:
    response = anyone.get("/api/attestations/log", headers=NOTE)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    opened = verifier(anyone).open(response.text)
    view = log_view(anyone)
    assert (opened.size, opened.root.hex()) == (view["tree_size"], view["root_hash"])
    assert verifier(anyone).open(view["checkpoint"]) == opened


def test_the_root_is_the_hash_of_all_entries(anyone: httpx.Client, grown: None) -> None:
    view = log_view(anyone)
    leaves: list[bytes] = []
    start: int | None = 0
    while start is not None:
        page = good(
            anyone.get("/api/attestations/log/entries", params={"start": start, "limit": 4})
        )
        leaves += [entry["entry"].encode() for entry in page["entries"]]
        start = page["next"]
    nodes = {(0, index): merkle.leaf_hash(leaf) for index, leaf in enumerate(leaves)}
    for index in range(len(leaves)):
        for level, place in merkle.completed_by(index):
            pair = nodes[level - 1, 2 * place], nodes[level - 1, 2 * place + 1]
            nodes[level, place] = merkle.node_hash(*pair)
    assert len(leaves) == view["tree_size"]
    assert merkle.range_hash((0, len(leaves)), nodes).hex() == view["root_hash"]


def test_every_entry_has_an_inclusion_proof(anyone: httpx.Client, grown: None) -> None:
    size = log_view(anyone)["tree_size"]
    for index in {0, size // 2, size - 1}:
        proof = good(
            anyone.get("/api/attestations/log/proof", params={"index": index, "tree_size": size})
        )
        assert merkle.verify_inclusion(
            bytes.fromhex(proof["leaf_hash"]),
            index,
            size,
            [bytes.fromhex(item) for item in proof["proof"]],
            bytes.fromhex(proof["root_hash"]),
        )


def test_the_log_proves_that_it_only_grew(
    anyone: httpx.Client, trainer: Training, grown: None
) -> None:
    before = verifier(anyone).open(anyone.get("/api/attestations/log", headers=NOTE).text)
    good(claim(trainer, 0.5), 201)
    after = verifier(anyone).open(anyone.get("/api/attestations/log", headers=NOTE).text)
    assert after.size == before.size + 1
    proof = good(
        anyone.get(
            "/api/attestations/log/proof", params={"first": before.size, "second": after.size}
        )
    )
    assert consistency_holds(
        before.size,
        after.size,
        [bytes.fromhex(item) for item in proof["proof"]],
        before.root,
        after.root,
    )


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"index": 0, "first": 0},
        {"index": 10**6},
        {"index": 0, "tree_size": 10**6},
        {"index": 1, "tree_size": 1},
        {"first": 10**6},
        {"first": 2, "second": 1},
    ],
)
def test_a_proof_of_what_the_log_does_not_have_is_refused(
    anyone: httpx.Client, grown: None, query: dict[str, int]
) -> None:
    refused(anyone.get("/api/attestations/log/proof", params=query), 400, "invalid_parameter")


def test_an_empty_log_has_a_checkpoint(new_database: Any, mlflow_server: Any) -> None:
    with RunningGateway(new_database(), mlflow_server.url) as empty, empty.client() as client:
        view = log_view(client)
        assert (view["tree_size"], view["root_hash"]) == (0, merkle.EMPTY_ROOT.hex())
        assert verifier(client).open(view["checkpoint"]).size == 0
        assert good(client.get("/api/attestations/log/entries"))["entries"] == []


def test_an_attestation_contains_a_proof_of_its_inclusion(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    log = attestation["log"]
    checkpoint = verifier(anyone).open(log["checkpoint"])
    assert checkpoint.size == log["tree_size"]
    assert merkle.verify_inclusion(
        merkle.leaf_hash(log["entry"].encode()),
        log["index"],
        log["tree_size"],
        [bytes.fromhex(item) for item in log["proof"]],
        checkpoint.root,
    )


TABLES = (
    "attestations",
    "attestation_log",
    "attestation_log_nodes",
    "attestors",
    "envelope_keys",
)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {}"])
def test_the_database_refuses_every_change(
    gateway: RunningGateway, attestation: dict[str, Any], table: str, change: str
) -> None:
    columns = {
        "attestation_log_nodes": "hash = hash",
        "attestors": "address = address",
        "envelope_keys": "attestor = attestor",
    }
    statement = change.format(table, columns.get(table, "text = text"))
    with pytest.raises(psycopg2.Error, match="never changed or removed"):
        sql(gateway, statement)


def test_concurrent_appends_leave_no_gap_and_no_duplicate(
    gateway: RunningGateway, anyone: httpx.Client, trainer: Training
) -> None:
    before = log_view(anyone)["tree_size"]
    key = gateway.key()
    responses: list[httpx.Response] = []

    def work(part: int) -> None:
        with gateway.client(key) as client:
            for number in range(4):
                responses.append(claim(Training(client), part + number / 10))
                # The same in all threads, so that one of them issues it.
                responses.append(claim(Training(client), 7_000 + number))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    documents = [good(response, 201) for response in responses]
    assert len(documents) == 48
    indexes = {document["log"]["index"] for document in documents}
    assert len({document["hash"] for document in documents}) == len(indexes) == 28
    assert indexes == set(range(before, before + 28))
    size = log_view(anyone)["tree_size"]
    assert size == before + 28
    rows = sql(gateway, "SELECT count(*) FROM attestation_log_nodes WHERE level = 0")
    assert rows == [(size,)]


def test_another_attestor_is_refused_until_the_old_one_is_retired(
    new_database: Any, mlflow_server: Any
) -> None:
    database, url = new_database(), mlflow_server.url
    with RunningGateway(database, url) as first, first.client(first.key()) as client:
        made = good(claim(Training(client), 0.5), 201)
    other_key = {"attestor_key": "b8" * 32}
    with RunningGateway(database, url, **other_key) as other, other.client(other.key()) as client:
        refused(claim(Training(client), 0.6), 503, "unavailable")
    old = made["signature"]["signer"]
    with (
        RunningGateway(database, url, **other_key, retired_attestors=(old,)) as changed,
        changed.client(changed.key()) as client,
    ):
        new = good(claim(Training(client), 0.6), 201)
        known = good(client.get("/.well-known/hokusai-attestor.json"))
        assert known["signers"] == [new["signature"]["signer"], old]
        for document in (made, new):
            response = good(client.post("/api/attestations/verify", json=document))
            assert response["valid"], response
