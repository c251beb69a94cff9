"""The log as tiles (C2SP tlog-tiles), read by an independent implementation of the format."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator

import httpx
import pytest

from app.control_plane.transparency_log import service
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.log_reader import read_log
from tests.support.responses import good, refused

# Two full tiles, a partial one, and a partial one of the level above.
SIZE = 600


async def grow(gateway: RunningGateway, size: int) -> None:
    assert gateway.settings.database_url is not None
    database = Database(gateway.settings.database_url.get_secret_value(), connections=1)
    try:
        async with database.transaction() as session:
            tree = await service.lock(session)
            for index in range(tree.size, size):
                await service.append(session, tree, "benchmark", f"number {index}")
    finally:
        await database.close()


@pytest.fixture(scope="module")
def client(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[httpx.Client]:
    """A client, without a credential, of a gateway whose log has `SIZE` entries."""
    with RunningGateway(new_database(), mlflow_server.url) as gateway, gateway.client() as anyone:
        asyncio.run(grow(gateway, SIZE))
        yield anyone


def test_an_independent_reader_verifies_every_tile_and_entry(client: httpx.Client) -> None:
    log = good(client.get("/api/attestations/log"))
    found = read_log(f"{client.base_url}/log", log["key"])
    assert (found["size"], found["root"]) == (SIZE, log["root_hash"])
    assert (found["tiles"], found["bundles"]) == (4, 3)
    listed = good(client.get("/api/attestations/log/entries", params={"limit": 1000}))
    assert found["entries"] == [entry["entry"] for entry in listed["entries"]]
    for index, proof in found["inclusion"].items():
        query = {"index": index, "tree_size": SIZE}
        ours = good(client.get("/api/attestations/log/proof", params=query))
        assert proof == ours["proof"]


def test_tiles_have_the_bytes_of_the_specification(client: httpx.Client) -> None:
    listed = good(client.get("/api/attestations/log/entries", params={"limit": 1000}))["entries"]
    leaves = [bytes.fromhex(entry["leaf_hash"]) for entry in listed]
    assert client.get("/log/tile/0/001").content == b"".join(leaves[256:512])
    assert client.get("/log/tile/0/002.p/7").content == b"".join(leaves[512:519])
    level = leaves[:256]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs]
    above = client.get("/log/tile/1/000.p/2").content
    assert (above[:32], len(above)) == (level[0], 64)
    entry = listed[512]["entry"].encode()
    expected = len(entry).to_bytes(2, "big") + entry
    assert client.get("/log/tile/entries/002.p/1").content == expected


def test_tiles_may_be_kept_and_checkpoints_may_not(client: httpx.Client) -> None:
    for path in ("0/000", "0/002.p/88", "1/000.p/2", "entries/000", "entries/002.p/88"):
        tile = client.get(f"/log/tile/{path}")
        assert tile.headers["content-type"] == "application/octet-stream"
        assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert tile.headers["access-control-allow-origin"] == "*"
    checkpoint = client.get("/log/checkpoint")
    assert checkpoint.text == good(client.get("/api/attestations/log"))["checkpoint"]
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["cache-control"] == "public, max-age=5"
    assert checkpoint.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "0/x000/000",
        "0/x001",
        "0/001/000",
        "0/000.p/0",
        "0/000.p/01",
        "0/000.p/256",
        "0/000.p/1/",
        "0/000.p/-1",
        "00/000",
        "64/000",
        "-1/000",
        "data/000",
        "entries/000.p/256",
        "0/" + "x001/" * 5 + "000",
        "0/\u0660\u0660\u0660",
        "0/000%0A",
        "0/%2e%2e/000",
    ],
)
def test_what_is_not_the_name_of_a_tile_is_refused(client: httpx.Client, name: str) -> None:
    response = client.get(f"/log/tile/{name}")
    assert response.status_code in (400, 404)
    refused(response, response.status_code, response.json()["reason"])
    assert "max-age" not in response.headers["cache-control"]


@pytest.mark.parametrize(
    "name",
    [
        "0/002",
        "0/002.p/89",
        "0/003.p/1",
        "1/000",
        "1/000.p/3",
        "2/000.p/1",
        "63/000.p/1",
        "entries/002",
        "entries/x999/x999/x999/x999/999",
        "0/x999/x999/x999/x999/999.p/1",
    ],
)
def test_a_tile_that_the_log_does_not_reach_is_not_found(client: httpx.Client, name: str) -> None:
    refused(client.get(f"/log/tile/{name}"), 404, "not_found")


def test_another_method_needs_no_credential_to_be_refused(client: httpx.Client) -> None:
    response = client.post("/log/tile/0/000")
    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET"
