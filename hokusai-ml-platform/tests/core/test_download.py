"""Downloading a model: only into its directory, only what is listed, and again where it broke.

Longer than most files here: everything that can be in the way of one function.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hokusai.api import GatewayAPI
from hokusai.core.download import download_model
from hokusai.core.windows_names import is_windows_name
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
        # Where the requests for contents begin, and whether the response begins there too.
        self.starts: list[int] = []
        self.has_ranges = True
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
            start = int(request.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
            self.starts.append(start)
            text = self.contents[path]
            if not start or not self.has_ranges:
                return Response(text=text)
            content_range = f"bytes {start}-{len(text) - 1}/{len(text)}"
            return Response(206, text=text[start:], headers={"Content-Range": content_range})
        return Response(document=self.listing)


@pytest.fixture
def gateway(server: ScriptedServer, tmp_path: Path) -> FakeGateway:
    made = FakeGateway(tmp_path / "source")
    server.respond_with(made)
    return made


@pytest.fixture
def api(server: ScriptedServer, clock: FakeClock) -> GatewayAPI:
    return GatewayAPI(make_client(server, clock, retry_seconds=0))


def part(tmp_path: Path, gateway: FakeGateway) -> Path:
    """Where an interrupted download of the gateway's list has received files."""
    place = tmp_path / "copy.part"
    (place / "files").mkdir(parents=True)
    paths = [item["path"] for item in gateway.listing["items"]]
    (place / "download.json").write_text(json.dumps({"paths": paths}))
    return place / "files"


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
    server.respond_with(gateway)
    gateway.sent.clear()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert gateway.sent == ["data/model.pkl"]
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")
    assert outside(tmp_path, "copy") == {"copy.files.json"}


@pytest.mark.parametrize(
    ("left", "has_ranges", "starts"),
    [
        ("wei", True, [3]),
        ("wei", False, [3]),
        ("other", True, [5, 0]),
        ("other", False, [5]),
        ("weightz", True, [0]),
        ("weights and more", True, [0]),
        ("", True, [0]),
    ],
)
def test_a_file_goes_on_where_an_interrupted_download_has_ended(
    gateway: FakeGateway,
    api: GatewayAPI,
    tmp_path: Path,
    left: str,
    has_ranges: bool,
    starts: list[int],
) -> None:
    place = part(tmp_path, gateway) / "data" / "model.pkl"
    place.parent.mkdir()
    place.write_text(left)
    gateway.has_ranges = has_ranges
    download_model(api, "hkm_1", tmp_path / "copy")
    assert [start for start, path in zip(gateway.starts, gateway.sent) if "pkl" in path] == starts
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")


def test_a_download_that_breaks_off_requests_the_rest(
    gateway: FakeGateway, server: ScriptedServer, clock: FakeClock, tmp_path: Path
) -> None:
    """Also where the time for retries has passed since it began, but not since its last byte."""
    api = GatewayAPI(make_client(server, clock, retry_seconds=10))
    whole = "w" * 1_000_000
    file = tmp_path / "source" / "MLmodel"
    file.write_text(whole)
    gateway.contents["MLmodel"] = whole
    files = hash_directory(tmp_path / "source")
    gateway.listing.update(
        items=[one._asdict() for one in files],
        sha256=oms_root(files),
        list_sha256=list_digest(files),
    )

    def breaks_off(request: Request) -> Response:
        clock.now += 60
        response = gateway(request)
        length = str(len(response.text or ""))
        return Response(
            response.status,
            text=(response.text or "")[:300_000],
            headers={**response.headers, "Content-Length": length, "Connection": "close"},
        )

    server.respond_with(Response(document=gateway.listing), breaks_off, breaks_off, gateway)
    download_model(api, "hkm_1", tmp_path / "copy")
    assert hash_directory(tmp_path / "copy") == files
    assert gateway.sent[:3] == ["MLmodel"] * 3
    assert gateway.starts[0] == 0 < gateway.starts[1] < gateway.starts[2]


def test_another_part_than_the_one_requested_is_not_stored(
    gateway: FakeGateway, api: GatewayAPI, server: ScriptedServer, tmp_path: Path
) -> None:
    place = part(tmp_path, gateway) / "MLmodel"
    place.write_text("flavors")
    wrong = Response(206, text=": {}\n", headers={"Content-Range": "bytes 8-11/12"})
    server.respond_with(Response(document=gateway.listing), wrong)
    with pytest.raises(HokusaiError):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert place.read_text() == "flavors"
    assert not (tmp_path / "copy").exists()


def test_what_has_another_name_elsewhere_is_not_overwritten(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("flavors")
    os.link(tmp_path / "mine", part(tmp_path, gateway) / "MLmodel")
    download_model(api, "hkm_1", tmp_path / "copy")
    assert (tmp_path / "mine").read_text() == "flavors"
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_directory_that_is_a_link_is_refused(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("elsewhere", "nothing"):
        (tmp_path / "copy").symlink_to(tmp_path / name)
        with pytest.raises(DownloadError, match="symbolic link"):
            download_model(api, "hkm_1", tmp_path / "copy")
        (tmp_path / "copy").unlink()
    assert gateway.sent == []
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_names_that_a_file_system_takes_for_the_same_are_refused(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    """A link stands for a file system that takes `copy.PART` for `copy.part`."""
    (tmp_path / "copy.part").mkdir()
    (tmp_path / "copy.PART").symlink_to(tmp_path / "copy.part")
    for other in ("mlmodel", "DATA/x"):
        names = [*FILES, other]
        files = [ModelFile(name, 0, "0" * 64) for name in names]
        gateway.listing.update(
            items=[one._asdict() for one in files],
            count=len(files),
            sha256=oms_root(files),
            list_sha256=list_digest(files),
        )
        with pytest.raises(DownloadError, match="for the same name"):
            download_model(api, "hkm_1", tmp_path / "copy")
    assert gateway.sent == []


def test_a_disk_without_room_is_noticed_before_anything_is_received(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    item = {"path": "large", "size": 2**62, "sha256": "0" * 64}
    files = [ModelFile(**item)]  # type: ignore[arg-type]
    gateway.listing.update(
        items=[item], count=1, sha256=oms_root(files), list_sha256=list_digest(files)
    )
    with pytest.raises(DownloadError, match="more bytes, and the disk has"):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert gateway.sent == []


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_a_disk_that_fills_up_leaves_what_was_received(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    import resource

    gateway.contents["MLmodel"] = "w" * 1000
    (tmp_path / "source" / "MLmodel").write_text("w" * 1000)
    files = hash_directory(tmp_path / "source")
    gateway.listing.update(
        items=[one._asdict() for one in files],
        sha256=oms_root(files),
        list_sha256=list_digest(files),
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(DownloadError, match=os.strerror(errno.EFBIG)):
            download_model(api, "hkm_1", tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "copy").exists()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")
    assert 500 in gateway.starts


@pytest.mark.parametrize(
    "name",
    ["CON", "nul", "aux.txt", "Com1.tar.gz", "LPT\u00b9", "conin$", "C:", "a:b", "a.", "a ",
     "NUL .x", "a*", "a?", 'a"', "a|b", "<a", "a\\b", "a/b", "a\x1f", ""],
)  # fmt: skip
def test_what_windows_takes_for_something_else_is_no_name_there(name: str) -> None:
    assert not is_windows_name(name)


@pytest.mark.parametrize("name", ["MLmodel", "console", "com", "com10", "a.b c", ".gitignore", "é"])
def test_ordinary_names_are_names_on_windows(name: str) -> None:
    assert is_windows_name(name)


def test_a_file_that_is_not_the_listed_one_is_removed(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    for content in ("weightz", "weights and more", ""):
        gateway.contents["data/model.pkl"] = content
        with pytest.raises(DownloadError, match="The file data"):
            download_model(api, "hkm_1", tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        assert not (tmp_path / "copy.part" / "files" / "data" / "model.pkl").exists()


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
    (part(tmp_path, gateway) / name).symlink_to(tmp_path / "elsewhere")
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


def everything(directory: Path) -> dict[str, str]:
    """The texts of all files below a directory."""
    return {
        str(one.relative_to(directory)): one.read_text()
        for one in directory.rglob("*")
        if one.is_file()
    }


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("mine", "mine"),
        ("files/mine", "files"),
        ("MLmodel", "MLmodel"),
        ("files/MLmodel", "files"),
        ("download.json", "download.json"),
        ("a/b/mine", "a"),
    ],
)
def test_files_that_no_download_has_made_are_left_alone(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path, where: str, named: str
) -> None:
    mine = tmp_path / "copy.part" / where
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    before = everything(tmp_path / "copy.part")
    with pytest.raises(DownloadError, match=f"no download has made: {named}"):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert everything(tmp_path / "copy.part") == before
    assert gateway.sent == []


@pytest.mark.parametrize("where", ["mine", "files/mine", "files/data/mine", "files/mine/x"])
def test_a_file_that_was_put_into_a_download_is_left_alone(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path, where: str
) -> None:
    (part(tmp_path, gateway) / "MLmodel").write_text("flavors")
    mine = tmp_path / "copy.part" / where
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    before = everything(tmp_path / "copy.part")
    with pytest.raises(DownloadError, match="Move that elsewhere"):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert everything(tmp_path / "copy.part") == before
    mine.unlink()
    if where == "files/mine/x":
        mine.parent.rmdir()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")
    assert outside(tmp_path, "copy") == {"copy.files.json"}


def test_what_a_download_of_another_list_has_left_is_removed(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    place = part(tmp_path, gateway)
    record = place.with_name("download.json")
    paths = json.loads(record.read_text())["paths"]
    record.write_text(json.dumps({"paths": [*paths, "old/deep/er", "old/x"]}))
    (place / "old" / "deep").mkdir(parents=True)
    (place / "old" / "deep" / "er").write_text("of another model")
    download_model(api, "hkm_1", tmp_path / "copy")
    assert hash_directory(tmp_path / "copy") == hash_directory(tmp_path / "source")
    assert not (tmp_path / "copy" / "old").exists()


def test_an_empty_directory_is_taken_and_a_finished_one_removed(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path
) -> None:
    (tmp_path / "copy.part").mkdir()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert outside(tmp_path, "copy") == {"copy.files.json"}
    # As if the process had ended after the files got their name.
    part(tmp_path, gateway).rmdir()
    download_model(api, "hkm_1", tmp_path / "copy")
    assert outside(tmp_path, "copy") == {"copy.files.json"}


@pytest.mark.parametrize("content", ["mine", '{"mine": 1}', "[]"])
def test_a_file_in_the_place_of_the_list_is_left_alone(
    gateway: FakeGateway, api: GatewayAPI, tmp_path: Path, content: str
) -> None:
    mine = tmp_path / "copy.files.json"
    mine.write_text(content)
    with pytest.raises(DownloadError, match="is in the way"):
        download_model(api, "hkm_1", tmp_path / "copy")
    assert mine.read_text() == content
    assert outside(tmp_path) == {"copy.files.json"}
    assert gateway.sent == []
