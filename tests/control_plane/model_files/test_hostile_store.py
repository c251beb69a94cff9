"""Files whose responses break off, change, or are not what was requested.

Whatever is sent, a list that is `witnessed` has the digests of contents that MLflow had.

Longer than most files here: one server for all ways in which a store can respond.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.control_plane.model_files import file_versions, present_files, reader, turns
from app.control_plane.model_files.queue import Reading
from app.standalone.mlflow import ChildMLflow
from tests.support.artifact_server import ArtifactServer, FileRequest, FileResponse, Store
from tests.support.gateway import RunningGateway
from tests.support.model_files import listed, run_with, wait_for
from tests.support.responses import good, refused
from tests.support.training import Training
from tests.support.waiting import wait_until

COUNT, TOTAL = 12, 2_000_000
FIRST, SECOND = b"1" * 300_000, b"2" * 300_000
SMALL = b"flavors: {}\n"
REFUSED = {"Content-Range": "bytes */300000"}


@pytest.fixture(scope="module")
def server(mlflow_server: ChildMLflow) -> Iterator[ArtifactServer]:
    with ArtifactServer(mlflow_server.url) as running:
        yield running


@pytest.fixture(scope="module")
def reading(server: ArtifactServer, new_database: Callable[[], str]) -> Iterator[RunningGateway]:
    """A gateway that reads files, tries again soon, and not often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "FIRST_PAUSE", 0.02)
        patch.setattr(reader, "LONGEST_PAUSE", 0.02)
        patch.setattr(reader, "INTERVAL", 0.05)
        patch.setattr(reader, "MAX_FAILURES", 4)
        with RunningGateway(
            new_database(),
            server.url,
            model_files_readers=1,
            model_files_count=COUNT,
            model_files_bytes=TOTAL,
        ) as running:
            yield running


@pytest.fixture(scope="module")
def training(reading: RunningGateway) -> Iterator[Training]:
    with Training.of(reading) as tenant:
        yield tenant


def register(training: Training, server: ArtifactServer, store: Store) -> dict[str, Any]:
    run = run_with(training, {"MLmodel": b"x"})
    server.stores[run] = store
    return training.registered("baseline", run_id=run, model_type="c")


def breaking(path: str, *sizes: int, store: Store) -> None:
    """Break the first responses for a file off, each after as many bytes."""

    def respond(request: FileRequest) -> FileResponse | None:
        if (request.method, request.path) != ("GET", path) or request.number >= len(sizes):
            return None
        whole = store.serve(request)
        headers = {**whole.headers, "Content-Length": str(len(whole.body))}
        return FileResponse(
            whole.status, whole.body[: sizes[request.number]], headers, breaks_off=True
        )

    store.respond = respond


@pytest.mark.parametrize(
    ("ranges", "lasting", "starts"),
    [(True, True, [0, 100_000, 150_000]), (True, False, [0] * 3), (False, True, [0] * 3)],
    ids=["directory", "object store", "no ranges"],
)
def test_a_file_that_breaks_off_is_continued_where_it_can_be(
    training: Training, server: ArtifactServer, ranges: bool, lasting: bool, starts: list[int]
) -> None:
    store = Store({"MLmodel": SMALL, "weights": FIRST}, ranges, lasting)
    breaking("weights", 100_000, 50_000, store=store)
    model = register(training, server, store)
    assert wait_for(training.client, model, "witnessed")["items"] == listed(store.files)
    asked = [one.start for one in store.requests if (one.method, one.path) == ("GET", "weights")]
    # Where the ETag does not last, the rest is requested, and all of it is sent.
    assert asked == ([0, 100_000, 50_000] if starts == [0] * 3 else starts)
    assert store.reads("MLmodel") == [0]


def test_a_file_that_changes_between_two_parts_is_read_anew(
    training: Training, server: ArtifactServer
) -> None:
    store = Store({"MLmodel": SMALL, "weights": FIRST})
    breaking("weights", 100_000, store=store)
    breaks = store.respond

    def respond(request: FileRequest) -> FileResponse | None:
        response = breaks(request)
        if response is not None:
            store.files["weights"] = SECOND
        return response

    store.respond = respond
    model = register(training, server, store)
    assert wait_for(training.client, model, "witnessed")["items"] == listed(
        {"MLmodel": SMALL, "weights": SECOND}
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"Content-Range": "bytes 99999-299999/300000"},
        {"Content-Range": "bytes 100001-299999/300000"},
        {"Content-Range": "bytes 100000-299998/300000"},
        {"Content-Range": "bytes 100000-299999/300001"},
        {"Content-Range": "bytes 100000-299999/*"},
        {"Content-Range": "bytes 100000-299999/300000", "ETag": '"another"'},
        {"Content-Range": "bytes 100000-299999/300000", "ETag": ""},
        {"Content-Type": "multipart/byteranges; boundary=x"},
        REFUSED,
    ],
    ids=str,
)
def test_another_part_than_the_one_requested_is_never_hashed(
    training: Training, server: ArtifactServer, answer: dict[str, str]
) -> None:
    """It has the size of the part requested, and another content."""
    store = Store({"MLmodel": SMALL, "weights": FIRST})
    breaking("weights", 100_000, store=store)
    breaks = store.respond

    def respond(request: FileRequest) -> FileResponse | None:
        if request.start == 0:
            return breaks(request)
        headers = {"ETag": store.serve(request).headers["ETag"], **answer}
        return FileResponse(416 if answer == REFUSED else 206, SECOND[:200_000], headers)

    store.respond = respond
    model = register(training, server, store)
    assert wait_for(training.client, model, "witnessed")["items"] == listed(store.files)
    assert store.reads("weights") == [0, 100_000, 0]


def test_a_part_that_was_not_requested_is_no_file(
    training: Training, server: ArtifactServer
) -> None:
    store = Store({"weights": FIRST})
    headers = {"Content-Range": "bytes 0-299999/300000"}
    store.respond = lambda request: FileResponse(206, FIRST, headers)
    model = register(training, server, store)
    assert "206" in wait_for(training.client, model, "failed")["reason"]


def test_files_that_are_replaced_by_others_of_the_same_size_are_read_again(
    training: Training, server: ArtifactServer
) -> None:
    """After one was read, and while one is sent: the list has the state in which all of it is."""
    store = Store({"MLmodel": SMALL, "a": FIRST, "b": FIRST, "z": b"x"})

    def respond(request: FileRequest) -> FileResponse | None:
        response = store.serve(request)
        if (request.method, request.path, request.number) == ("GET", "b", 0):
            store.files |= {"a": SECOND, "b": SECOND}
            return FileResponse(200, FIRST[:1000] + SECOND[1000:], response.headers)
        return None

    store.respond = respond
    model = register(training, server, store)
    assert wait_for(training.client, model, "witnessed")["items"] == listed(store.files)
    assert store.files["a"] == SECOND


def test_files_in_an_object_store_are_not_compared_by_etag(
    training: Training, server: ArtifactServer
) -> None:
    store = Store({"MLmodel": SMALL, "weights": FIRST}, lasting=False)
    model = register(training, server, store)
    assert wait_for(training.client, model, "witnessed")["items"] == listed(store.files)
    # Each of these requests makes MLflow copy the file: the smallest one only is requested again.
    assert [one.path for one in store.requests if one.method == "HEAD"] == ["MLmodel"] * 2


@pytest.mark.parametrize("size", [0, 299_999, 300_001, 10**18])
@pytest.mark.parametrize("says", [True, False])
def test_a_file_with_another_size_than_listed_is_not_witnessed(
    training: Training, server: ArtifactServer, size: int, says: bool
) -> None:
    entries = [{"path": "model/weights", "is_dir": False, "file_size": size}]
    store = Store({"weights": FIRST}, entries={"": entries})
    if not says:
        until_closed = FileResponse(200, FIRST, {"Content-Length": ""}, breaks_off=True)
        store.respond = lambda _: until_closed
    model = register(training, server, store)
    found = wait_for(training.client, model, "failed")
    reason = "bytes together" if size > TOTAL else "changed while it was read"
    assert reason in found["reason"]


def test_a_file_of_unknown_size_needs_a_length(training: Training, server: ArtifactServer) -> None:
    entries = [{"path": "model/weights", "is_dir": False}]
    store = Store({"weights": FIRST}, entries={"": entries})
    model = register(training, server, store)
    assert wait_for(training.client, model, "witnessed")["items"] == listed(store.files)
    store = Store({"weights": FIRST}, entries={"": entries})
    until_closed = FileResponse(200, FIRST[:1000], {"Content-Length": ""}, breaks_off=True)
    store.respond = lambda _: until_closed
    model = register(training, server, store)
    assert "how large" in wait_for(training.client, model, "failed")["reason"]


FILE = {"path": "model/f", "is_dir": False, "file_size": 1}
LOOP = {"path": "model", "is_dir": True}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([FILE, LOOP], "another directory"),
        ([{"path": "model/a/b", "is_dir": True}], "another directory"),
        ([{"path": "elsewhere/f", "is_dir": False, "file_size": 1}], "another directory"),
        ([{"path": "model/../f", "is_dir": False, "file_size": 1}], "another directory"),
        ([{"path": "/etc/passwd", "is_dir": False, "file_size": 1}], "another directory"),
        ([FILE, FILE], "one path twice"),
        ([FILE, {"path": "model/f", "is_dir": True}], "one path twice"),
        ([{"path": "model/..", "is_dir": False, "file_size": 1}], "not one that the gateway lists"),
        ([{"path": "model/f", "file_size": -1}], "not a list of files"),
        ([{"path": "model/f", "file_size": "many"}], "not a list of files"),
        ([{"path": "model/f", "file_size": []}], "not a list of files"),
        ([{"file_size": 1}], "not a list of files"),
        (["model/f"], "not a list of files"),
        (b'{"files": 5}', "not a list of files"),
        (b"[" * 100_000, "not a list of files"),
        (b"[]", "not a list of files"),
        (b'{"files": ["' + b"x" * 9 * 1024**2 + b'"]}', "more than 4,194,304 bytes"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_list_that_no_directory_has_is_refused(
    training: Training, server: ArtifactServer, entries: Any, reason: str
) -> None:
    store = Store({"f": b"x"}, entries={"": entries})
    model = register(training, server, store)
    assert reason in wait_for(training.client, model, "failed")["reason"]
    assert store.reads("f") == []


def test_directories_without_an_end_are_not_followed_for_long(
    training: Training, server: ArtifactServer
) -> None:
    class Endless(dict[str, Any]):
        listed = 0

        def __contains__(self, directory: object) -> bool:
            return True

        def __getitem__(self, directory: str) -> Any:
            self.listed += 1
            return [{"path": f"model/{directory}/d".replace("//", "/"), "is_dir": True}]

    entries = Endless()
    store = Store({"MLmodel": SMALL}, entries=entries)
    model = register(training, server, store)
    assert "not one that the gateway lists" in wait_for(training.client, model, "failed")["reason"]
    assert entries.listed <= 40


@pytest.mark.parametrize(
    "response",
    [
        FileResponse(302, b"", {"Location": "http://127.0.0.1:1/"}),
        FileResponse(200, FIRST, {"Content-Encoding": "gzip"}),
        FileResponse(204),
        FileResponse(416),
        FileResponse(500, b"x" * 1_000_000),
    ],
    ids=lambda response: str(response.status),
)
def test_a_response_that_is_not_the_file_is_not_hashed(
    training: Training, server: ArtifactServer, response: FileResponse
) -> None:
    store = Store({"weights": FIRST})
    store.respond = lambda request: response if request.method == "GET" else None
    model = register(training, server, store)
    wait_for(training.client, model, "failed")
    # As often as it is tried; nothing is followed.
    assert store.reads("weights") == [0] * 4


@pytest.mark.parametrize(
    ("path", "reason"),
    [("a", "'a' has 6 bytes, and had 1"), ("new", "'new' is new"), (None, "'a' is gone")],
)
def test_files_that_have_changed_since_are_not_attested(
    reading: RunningGateway,
    training: Training,
    server: ArtifactServer,
    path: str | None,
    reason: str,
) -> None:
    store = Store({"MLmodel": SMALL, "a": b"1", "empty": b""})
    model = register(training, server, store)
    wait_for(training.client, model, "witnessed")
    body: dict[str, Any] = {"improved_model_id": model["model_id"]}
    before = {**body, "private": False}
    good(training.client.post("/api/attestations", json=before), 201)
    if path is None:
        del store.files["a"]
    else:
        store.files[path] = b"longer"
    problem = refused(training.client.post("/api/attestations", json=body), 409, "files_changed")
    assert reason in problem["message"]
    # What a caller claims rests on nothing in MLflow.
    claimed = {**body, "kind": "claimed", "metrics": {"accuracy": 1.0}}
    good(training.client.post("/api/attestations", json=claimed), 201)
    # An owner cannot keep others from attesting what they have built on its model.
    with Training.of(reading) as other:
        built = {
            "improved_model_id": other.baseline(accuracy=0.9)["model_id"],
            "baseline_model_id": model["model_id"],
        }
        data = good(other.client.post("/api/attestations", json=built), 201)["data"]
    assert data["baseline"]["files"]["evidence"] == "witnessed"


def attest(training: Training, model: dict[str, Any]) -> httpx.Response:
    """Have a model attested, each time anew."""
    body = {"improved_model_id": model["model_id"]}
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    return training.client.post("/api/attestations", json=body, headers=headers)


def read_since(store: Store) -> list[tuple[str, str]]:
    """The requests for contents of files since the last call."""
    found = [(one.method, one.path) for one in store.requests]
    store.requests.clear()
    return found


def test_a_file_that_was_replaced_by_one_of_the_same_size_is_not_attested(
    training: Training, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present_files, "RECENT", -1.0)
    store = Store({"MLmodel": SMALL, "weights": FIRST})
    model = register(training, server, store)
    wait_for(training.client, model, "witnessed")
    good(attest(training, model), 201)
    store.files["weights"] = SECOND
    read_since(store)
    problem = refused(attest(training, model), 409, "files_changed")
    assert "'weights' has another content" in problem["message"]
    heads = [("HEAD", "MLmodel"), ("HEAD", "weights")]
    assert sorted(read_since(store)) == [("GET", "weights"), *heads]
    store.files["weights"] = FIRST
    good(attest(training, model), 201)
    assert sorted(read_since(store)) == heads


def test_a_store_that_was_restored_is_read_again_once(
    training: Training, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files have other times of the last change."""
    monkeypatch.setattr(present_files, "RECENT", -1.0)
    store = Store({"MLmodel": SMALL, "weights": FIRST})
    model = register(training, server, store)
    wait_for(training.client, model, "witnessed")
    store.stamp = 1
    read_since(store)
    good(attest(training, model), 201)
    assert [path for method, path in read_since(store) if method == "GET"] == ["MLmodel", "weights"]
    good(attest(training, model), 201)
    assert {method for method, _ in read_since(store)} == {"HEAD"}
    # One that is an object store now has other ETags each time, which say nothing.
    store.lasting = False
    good(attest(training, model), 201)
    read_since(store)
    good(attest(training, model), 201)
    assert read_since(store) == []


def test_what_is_read_again_for_an_attestation_is_bounded(
    training: Training, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present_files, "RECENT", -1.0)
    monkeypatch.setattr(file_versions, "MAX_AGAIN", len(SMALL) + 1)
    store = Store({"MLmodel": SMALL, "a": b"1", "weights": FIRST})
    model = register(training, server, store)
    wait_for(training.client, model, "witnessed")
    store.files["weights"], store.stamp = SECOND, 1
    read_since(store)
    good(attest(training, model), 201)
    assert [path for method, path in read_since(store) if method == "GET"] == ["a", "MLmodel"]
    store.files["a"], store.stamp = b"2", 2
    problem = refused(attest(training, model), 409, "files_changed")
    assert "'a' has another content" in problem["message"]


def test_a_model_is_compared_once_a_minute_and_in_an_object_store_by_sizes(
    training: Training, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store, expected in (
        (Store({"MLmodel": SMALL}), [("HEAD", "MLmodel")]),
        (Store({"MLmodel": SMALL}, lasting=False), []),
    ):
        model = register(training, server, store)
        wait_for(training.client, model, "witnessed")
        read_since(store)
        for _ in range(2):
            good(attest(training, model), 201)
        assert read_since(store) == expected


def test_a_store_that_does_not_know_sizes_is_compared_by_names(
    training: Training, server: ArtifactServer
) -> None:
    store = Store({"MLmodel": SMALL, "a": b"1"}, sizes=False)
    model = register(training, server, store)
    wait_for(training.client, model, "witnessed")
    body = {"improved_model_id": model["model_id"]}
    data = good(training.client.post("/api/attestations", json=body), 201)["data"]
    assert data["files"]["evidence"] == "witnessed"
    store.files["new"] = b"1"
    again = {**body, "private": False}
    problem = refused(training.client.post("/api/attestations", json=again), 409, "files_changed")
    assert "'new' is new" in problem["message"]


def test_a_long_model_lets_others_be_read(
    training: Training,
    reading: RunningGateway,
    server: ArtifactServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The only reader leaves a large file, and goes on with it after another tenant's model."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)
    # Too large to arrive as a whole while the event loop does something else.
    store = Store({"MLmodel": SMALL, "weights": b"1" * 1_500_000})
    small = Store({"MLmodel": b"x"})
    requests_before: list[int] = []
    in_turn: list[str] = []
    read = reader.FileReader._read

    async def watched(self: reader.FileReader, waiting: Reading, turn: turns.Turn) -> None:
        in_turn.append(waiting.model.model_id)
        await read(self, waiting, turn)

    monkeypatch.setattr(reader.FileReader, "_read", watched)
    with Training.of(reading) as other:
        others: list[dict[str, Any]] = []

        def respond(request: FileRequest) -> FileResponse | None:
            if (request.method, request.path) == ("GET", "weights"):
                if request.number == 0:
                    others.append(register(other, server, small))
                    wait_until(lambda: others[0]["model_id"] in in_turn)
                requests_before.append(len(small.requests))
            return None

        store.respond = respond
        model = register(training, server, store)
        assert wait_for(training.client, model, "witnessed")["items"] == listed(store.files)
        wait_for(other.client, others[0], "witnessed")
    assert requests_before[0] == 0 < requests_before[-1]
    starts = store.reads("weights")
    assert starts[0] == 0
    assert starts == sorted(set(starts))
