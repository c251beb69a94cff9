"""Witnesses of the log: a real one beside a real gateway, and those that fail."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hokusai.verify import Result, verify

from app.control_plane.transparency_log import cosigning, witnesses
from app.control_plane.transparency_log.cosignature import WitnessKey
from app.control_plane.transparency_log.witnesses import parse_witnesses
from app.core.errors import StartupError
from app.main import create_app
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.log_reader import OtherWitness, read_log, submit
from tests.support.responses import good
from tests.support.training import Training
from tests.support.waiting import wait_until
from tests.support.witness import LOG_KEY, RunningWitness

Start = Callable[..., RunningGateway]


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    with RunningWitness(tmp_path_factory.mktemp("witness")) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def quickly() -> Iterator[None]:
    """Look at the log often, and do not wait long for a witness."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosigning, "INTERVAL", 0.1)
        patch.setattr(witnesses, "TIMEOUT", 1.0)
        yield


@pytest.fixture(scope="module")
def start(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Callable[..., RunningGateway]:
    """Makes a gateway with a log of its own, and these witnesses."""

    def made(*settings: str, database: str | None = None) -> RunningGateway:
        return RunningGateway(database or new_database(), mlflow_server.url, witnesses=settings)

    return made


@pytest.fixture(scope="module")
def witnessed(start: Start, witness: RunningWitness) -> Iterator[RunningGateway]:
    with start(witness.setting) as gateway:
        yield gateway


def claim(gateway: RunningGateway, count: int, key: str | None = None) -> list[dict[str, Any]]:
    with gateway.client(key or gateway.key()) as client:
        trainer = Training(client)
        return [
            good(trainer.attest(kind="claimed", metrics={"accuracy": number / 100}), 201)
            for number in range(count)
        ]


def log_of(gateway: RunningGateway) -> dict[str, Any]:
    with gateway.client() as anyone:
        found: dict[str, Any] = good(anyone.get("/api/attestations/log"))
        return found


def is_cosigned(gateway: RunningGateway, size: int) -> bool:
    return cosigned_size(gateway) == size


def cosigned_size(gateway: RunningGateway) -> int:
    note = log_of(gateway)["cosigned"]
    return 0 if note is None else int(note.split("\n")[1])


def test_what_the_log_gets_is_cosigned_and_verifiers_require_it(
    witnessed: RunningGateway, witness: RunningWitness
) -> None:
    key = witnessed.key()
    first, *_ = claim(witnessed, 3, key)
    size = log_of(witnessed)["tree_size"]
    wait_until(lambda: cosigned_size(witnessed) == size)
    log = log_of(witnessed)
    assert log["witnesses"] == [witness.key]
    with witnessed.client(key) as client:
        # The independent reader verifies the cosignature as well.
        found = read_log(f"{witnessed.url}/log", log["key"], witness.key)
        assert (found["size"], found["witnesses"]) == (size, ["witness.example"])
        assert client.get("/log/checkpoint").text == log["cosigned"]
        assert "witness.example" in client.get("/log").text
        known = good(client.get("/.well-known/hokusai-attestor.json"))
        later = good(client.get(f"/api/attestations/{first['hash']}"))
        sizes = {"first": first["log"]["tree_size"], "second": size}
        proof = good(client.get("/api/attestations/log/proof", params=sizes))
    trusted: dict[str, Any] = {"known": known, "witnesses": witness.key}
    report = verify(later, **trusted)
    assert (report.ok, report["witnesses"].result) == (True, Result.HOLDS)
    # When it was issued, no witness had seen it.
    early = verify(first, **trusted)
    assert (early.ok, early["witnesses"].result) == (False, Result.FAILS)
    # A cosigned checkpoint that one has kept counts only if it is proved to extend the document's.
    unproved = verify(first, **trusted, checkpoint=log["cosigned"])
    assert unproved["witnesses"].result is Result.FAILS
    proved = verify(first, **trusted, checkpoint=log["cosigned"], consistency=proof)
    assert (proved.ok, proved["witnesses"].result) == (True, Result.HOLDS)


def test_another_vendors_client_gets_cosignatures_of_our_witness(
    start: Start, tmp_path: Path
) -> None:
    with start() as gateway, RunningWitness(tmp_path) as witness:
        for count in (1, 2, 4):
            claim(gateway, count)
            line = submit(f"{gateway.url}/log", witness.url, witness.key)
            assert line.startswith("\N{EM DASH} witness.example ")


def test_another_vendors_witness_cosigns_our_log(start: Start, tmp_path: Path) -> None:
    origin = LOG_KEY.partition("+")[0]
    with OtherWitness(tmp_path, origin, LOG_KEY) as witness, start(witness.setting) as gateway:
        for size in (2, 5):
            claim(gateway, size - log_of(gateway)["tree_size"])
            wait_until(partial(is_cosigned, gateway, size))
        found = read_log(f"{gateway.url}/log", LOG_KEY, witness.key)
        assert found["witnesses"] == ["other.example"]


def test_a_replica_shows_what_another_gathered(
    witnessed: RunningGateway, witness: RunningWitness, start: Start
) -> None:
    claim(witnessed, 1)
    size = log_of(witnessed)["tree_size"]
    wait_until(lambda: cosigned_size(witnessed) == size)
    assert witnessed.settings.database_url is not None
    database = witnessed.settings.database_url.get_secret_value()
    with start(witness.setting, database=database) as replica:
        assert log_of(replica)["cosigned"] == log_of(witnessed)["cosigned"]


def test_a_log_that_forks_is_not_cosigned(
    witnessed: RunningGateway, witness: RunningWitness, start: Start
) -> None:
    claim(witnessed, 1)
    size = log_of(witnessed)["tree_size"]
    wait_until(lambda: cosigned_size(witnessed) == size)
    # The same keys with another log, as after an attack or a wrong restore.
    with start(witness.setting) as forked:
        claim(forked, size + 1)
        note = httpx.get(f"{forked.url}/log/checkpoint").text
        again = httpx.post(f"{witness.url}/add-checkpoint", content=f"old {size}\n\n{note}")
        assert again.status_code == 422
        assert log_of(forked)["cosigned"] is None
        assert "never" in httpx.get(f"{forked.url}/log").text
    claim(witnessed, 1)
    wait_until(lambda: cosigned_size(witnessed) == size + 1)


def test_witnesses_that_fail_delay_no_other_and_no_request(start: Start, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        RunningWitness(tmp_path / "one", "one.example") as one,
        RunningWitness(tmp_path / "two", "two.example") as two,
        RunningWitness(tmp_path / "three", "three.example") as three,
    ):
        hanging = f"{two.key} http://127.0.0.1:{silent.getsockname()[1]}"
        wrong = f"{three.key} {one.url}"
        with start(hanging, wrong, one.setting) as gateway:
            claim(gateway, 2)
            wait_until(lambda: cosigned_size(gateway) == 2)
            note = log_of(gateway)["cosigned"]
            assert [line.split(" ")[1] for line in note.splitlines()[5:]] == ["one.example"]


def test_a_witness_that_lost_its_answer_cosigns_after_all(
    start: Start, witness: RunningWitness, tmp_path: Path
) -> None:
    """It is killed when the checkpoint is on its disk, and its response is not sent."""
    killed = (
        "import os, signal; from hokusai.witness.signing import WitnessSigner; "
        "WitnessSigner.cosign = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        "from hokusai.cli.main import main; main()"
    )
    with start() as gateway:
        claim(gateway, 2)
        with RunningWitness(tmp_path, program=killed) as dying:
            body = f"old 0\n\n{httpx.get(f'{gateway.url}/log/checkpoint').text}"
            with pytest.raises(httpx.TransportError):
                httpx.post(f"{dying.url}/add-checkpoint", content=body)
            assert dying.wait() == -9
        assert gateway.settings.database_url is not None
        database = gateway.settings.database_url.get_secret_value()
        with (
            RunningWitness(tmp_path) as revived,
            start(revived.setting, database=database) as other,
        ):
            conflict = httpx.post(f"{revived.url}/add-checkpoint", content=body)
            assert (conflict.status_code, conflict.text) == (409, "2\n")
            wait_until(lambda: cosigned_size(other) == 2)


@pytest.mark.parametrize(
    "setting",
    [
        "witness.example+00000000+AAAA http://127.0.0.1:1",
        "hokusai.registry/attestations+e37e5240+AT4j5fOp9bIugoFNfkzEbjoqZBp81BdNyw7Lqsj9ezQI"
        " http://127.0.0.1:1",
    ],
)
def test_a_key_that_is_not_a_witnesss_stops_the_start(
    witnessed: RunningGateway, setting: str
) -> None:
    settings = witnessed.settings.model_copy(update={"witnesses": (setting,)})
    with pytest.raises(StartupError, match="HOKUSAI_WITNESSES"):
        create_app(settings)


def test_there_are_at_most_fifteen_witnesses_and_each_once(witness: RunningWitness) -> None:
    with pytest.raises(StartupError, match="twice"):
        parse_witnesses([witness.setting, witness.setting])
    keys = [WitnessKey(f"w{number}.example", bytes(32)) for number in range(16)]
    settings = [f"{key} http://127.0.0.1:1" for key in keys]
    assert len(parse_witnesses(settings[:15])) == 15
    with pytest.raises(StartupError, match="at most 15"):
        parse_witnesses(settings)
