"""Downloading a model: only into its directory, only what is listed, and again where it broke."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hokusai.api import GatewayAPI
from hokusai.core.download import download_model
from hokusai.errors import DocumentError, DownloadError, HokusaiError, PermissionDeniedError
from hokusai.verify.model_files import ModelFile, hash_directory, list_digest, list_path, oms_root
from scripted import (
    FakeClock,
    Request,
    Response,
    ScriptedServer,
    TruncatedResponse,
    make_client,
    problem,
)

FILES = {"MLmodel": "flavors: {}\n", "data/model.pkl": "weights", "data/empty": ""}


class FakeGateway:
    """Responds to the two requests; each test changes what it needs."""

    def __init__(self, source: Path) -> None:
        for path, content in FILES.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(content)
        files = hash_directory(source)
        self.contents = dict(FILES)
        self.sent: list[str] = []
        self.listing: dict[str, Any] = {
            "model_id": "hkm_1",
            "state": "witnessed",
            "reason": None,
            "sha256": oms_root(files),
            "list_sha256": list_digest(files),
            "count": len(files),
            "bytes": 19,
            "items": [file._asdict() for file in files],
            "next": None,
        }

    def __call__(self, request: Request) -> Response:
        parts = urlsplit(request.path)
        if parts.path.endswith("/content"):
            path = parse_qs(parts.query)["path"][0]
            self.sent.append(path)
            return Response(text=self.contents[path])
        return Response(document=self.listing)


@pytest.fixture
def gateway(server: ScriptedServer, tmp_path: Path) -> FakeGateway:
    made = FakeGateway(tmp_path / "source")
    server.respond_with(made)
    return made


@pytest.fixture
def api(server: ScriptedServer, clock: FakeClock) -> GatewayAPI:
    return GatewayAPI(make_client(server, clock, retry_seconds=0))


def outside(tmp_path: Path, *directories: str) -> set[str]:
    """What is in the directory besides the source and these."""
    names = {"source", "configuration", *directories}
    return {one.name for one in tmp_path.iterdir()} - names


def test_all_files_are_stored_and_the_list_beside_them(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    found = download_model(api, "hkm_1", tmp_path / "copy")

    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")
    assert found.sha256 == gateway.listing["sha256"]
    assert outside(tmp_path, "copy") == {"copy.files.json"}
    assert Path(list_path(tmp_path / "copy")).is_file()
    # A second time only the list is fetched.
    gateway.sent.clear()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert gateway.sent == []


def test_the_pages_of_a_long_list_are_put_together(
    gateway: FakeGateway, api: GatewayAPI, server: ScriptedServer, tmp_path: Path
) -> None:
    items = gateway.listing["items"]
    first = {**gateway.listing, "items": items[:1], "next": "c"}
    server.respond_with(
        Response(document=first),
        Response(document={**first, "items": items[1:], "next": None}),
        gateway,
    )
    download_model(api, "hkm_1", tmp_path / "copy")
    assert [one.path.partition("?")[2] for one in server.requests[:2]] == [
        "limit=1000",
        "limit=1000&cursor=c",
    ]
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")


@pytest.mark.parametrize("has_member", [True, False])
def test_a_list_without_a_digest_of_the_paths_is_taken(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path, has_member: bool
) -> None:
    del gateway.listing["list_sha256"]
    if has_member:
        gateway.listing["list_sha256"] = None
    download_model(api, "hkm_1", tmp_path / "copy")
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")


def test_an_interrupted_download_goes_on_where_it_ended(
    gateway: FakeGateway, api: GatewayAPI, server: ScriptedServer, tmp_path: Path
) -> None:
    listing = Response(document=gateway.listing)
    server.respond_with(listing, gateway, gateway, TruncatedResponse())
    with pytest.raises(HokusaiError):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    (tmp_path / "copy.part" / "left over").write_text("of another model")
    server.respond_with(gateway)
    gateway.sent.clear()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert gateway.sent == ["data/model.pkl"]
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")
    assert outside(tmp_path, "copy") == {"copy.files.json"}


def test_a_file_that_is_not_the_listed_one_is_removed(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    for content in ("weightz", "weights and more", ""):
        gateway.contents["data/model.pkl"] = content
        with pytest.raises(DownloadError, match="The file data"):
            download_model(api, "hkm_1", tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        assert not (tmp_path / "copy.part" / "data" / "model.pkl").exists()


def test_a_list_that_could_lead_elsewhere_is_refused(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    for path in ("../evil", "/evil", "data/../../evil"):
        item = {"path": path, "size": 0, "sha256": "0" * 64}
        gateway.listing["items"] = [item]
        with pytest.raises(DocumentError, match="not safe"):
            download_model(api, "hkm_1", tmp_path / "copy")
    assert outside(tmp_path) == set()
    assert gateway.sent == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("name", ["data", "MLmodel", "nothing"])
def test_nothing_is_written_through_a_link(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path, name: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "copy.part").mkdir()
    (tmp_path / "copy.part" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DownloadError, match="symbolic link"):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_directory_with_other_files_is_left_alone(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_text("x")
    with pytest.raises(DownloadError, match="mine is not in the list"):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert (tmp_path / "copy" / "mine").read_text() == "x"
    (tmp_path / "copy" / "mine").unlink()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")


def test_a_list_that_does_not_fit_its_digest_is_refused(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    gateway.listing["items"].pop()
    with pytest.raises(DownloadError, match="does not fit"):
        download_model(api, "hkm_1", tmp_path / "copy")
    gateway.listing.update(state="pending", items=[], sha256=None, count=0)
    with pytest.raises(DownloadError, match="still to read"):
        download_model(api, "hkm_1", tmp_path / "copy")


def test_what_the_gateway_refuses_is_its_own_error(
    gateway: FakeGateway, api: GatewayAPI, server: ScriptedServer, tmp_path: Path
) -> None:
    server.respond_with(Response(document=gateway.listing), problem(403, "permission_denied"))
    with pytest.raises(PermissionDeniedError):
        download_model(api, "hkm_1", tmp_path / "copy")


def test_a_directory_that_cannot_be_made_is_an_error(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="No such file"):
        download_model(api, "hkm_1", tmp_path / "missing" / "copy")


def test_each_file_is_announced(gateway: FakeGateway, api: GatewayAPI, tmp_path: Path) -> None:
    announced: list[ModelFile] = []
    download_model(api, "hkm_1", tmp_path / "copy", announced.append)
    assert [file.path for file in announced] == sorted(FILES)
