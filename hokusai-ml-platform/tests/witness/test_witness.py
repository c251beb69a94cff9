"""The witness over HTTP: what it cosigns, what it refuses, and what it remembers."""

from __future__ import annotations

import base64
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, Sequence

import pytest
import requests
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from hokusai.errors import InputError
from hokusai.verify import merkle
from hokusai.verify.checkpoint import LogKey, WitnessKey, parse_checkpoint
from hokusai.witness.server import WitnessServer
from hokusai.witness.service import Witness
from hokusai.witness.signing import WitnessSigner
from hokusai.witness.state import WitnessState

ORIGIN = "registry.example/log"
SECRET = ECC.generate(curve="Ed25519")


def log_key(secret: ECC.EccKey = SECRET, name: str = ORIGIN) -> str:
    raw = b"\x01" + secret.public_key().export_key(format="raw")
    key_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(raw).decode()}"


KEY = LogKey(log_key())


def leaves(count: int, fork: str = "") -> list[bytes]:
    return [merkle.leaf_hash(f"entry {number}{fork}".encode()) for number in range(count)]


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    return merkle.roots(hashes, [len(hashes)])[len(hashes)]


def proof(first: int, hashes: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """The consistency proof of RFC 6962, section 2.1.2, from its definition."""
    size = len(hashes)
    if first in (0, size):
        return [] if whole or first == 0 else [root(hashes)]
    split = 1 << ((size - 1).bit_length() - 1)
    if first <= split:
        return [*proof(first, hashes[:split], whole=whole), root(hashes[split:])]
    return [*proof(first - split, hashes[split:], whole=False), root(hashes[:split])]


def note(hashes: Sequence[bytes], origin: str = ORIGIN, secret: ECC.EccKey = SECRET) -> str:
    body = f"{origin}\n{len(hashes)}\n{base64.b64encode(root(hashes)).decode()}\n"
    key = LogKey(log_key(secret, origin))
    blob = key.key_id + eddsa.new(secret, mode="rfc8032").sign(body.encode())
    return f"{body}\n\N{EM DASH} {origin} {base64.b64encode(blob).decode()}\n"


def request_body(old: int, hashes: Sequence[bytes], signed: str | None = None) -> bytes:
    lines = [base64.b64encode(one).decode() for one in proof(old, hashes)]
    return "\n".join([f"old {old}", *lines, "", signed or note(hashes)]).encode()


class Running:
    """A witness that serves in a thread."""

    def __init__(self, directory: Path) -> None:
        self.state = WitnessState(directory)
        signer = WitnessSigner.stored(directory, "witness.example")
        self.key = WitnessKey(signer.key)
        self.lines: list[str] = []
        witness = Witness(signer, self.state, {ORIGIN: [KEY]})
        self._server = WitnessServer("127.0.0.1", 0, witness, self.lines.append)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/add-checkpoint"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def send(self, body: bytes) -> requests.Response:
        return requests.post(self.url, data=body, timeout=10)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.state.close()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path / "witness")
    yield running
    running.stop()


def test_what_extends_the_log_is_cosigned(witness: Running) -> None:
    old = 0
    for size in (1, 2, 7, 7, 64, 101):
        hashes = leaves(size)
        response = witness.send(request_body(old, hashes))
        assert response.status_code == 200, response.text
        checkpoint = parse_checkpoint(note(hashes) + response.text, [KEY], [witness.key])
        assert (checkpoint.size, checkpoint.cosigned_by) == (size, (str(witness.key),))
        old = size


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff", 400),
        (b"old 0\n", 400),
        (b"old -1\n\n" + note(leaves(1)).encode(), 400),
        (b"old 01\n\n" + note(leaves(1)).encode(), 400),
        (b"old 0\nAAAA\n\n" + note(leaves(1)).encode(), 400),
        (b"old 2\n\n" + note(leaves(1)).encode(), 400),
        (b"old 0\n\n" + note(leaves(1)).rpartition("\n\n")[0].encode(), 400),
        (b"old 0\n" + b"A" * 44 + b"\n" + note(leaves(1)).encode(), 400),
        (b"old 0\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n" + note([]).encode(), 400),
        (b"old 0\n\n" + note(leaves(1), "another.example/log").encode(), 404),
        (b"old 0\n\n" + note(leaves(1), secret=ECC.generate(curve="Ed25519")).encode(), 403),
        (b"old 0\n" + base64.b64encode(bytes(32)) + b"\n\n" + note(leaves(1)).encode(), 422),
        (b"old 0\n\n" + b"x" * 17_000, 413),
    ],
)
def test_other_requests_are_refused(witness: Running, body: bytes, status: int) -> None:
    response = witness.send(body)
    assert response.status_code == status, response.text
    assert witness.send(request_body(0, leaves(1))).status_code == 200


def test_other_paths_and_methods_are_refused(witness: Running) -> None:
    assert requests.get(witness.url, timeout=10).status_code == 405
    other = witness.url.replace("add-checkpoint", "other")
    assert requests.get(other, timeout=10).status_code == 404
    assert requests.post(other, data=b"", timeout=10).status_code == 404


def test_a_log_that_forks_or_shrinks_is_refused(witness: Running) -> None:
    assert witness.send(request_body(0, leaves(5))).status_code == 200
    # Of the same size with another root, whatever old size is stated.
    fork = leaves(5, "!")
    for old in (0, 5):
        response = witness.send(f"old {old}\n\n{note(fork)}".encode())
        assert (response.status_code, response.text) == (409, "5\n")
        assert response.headers["Content-Type"] == "text/x.tlog.size"
    (evidence,) = witness.state.directory.glob("*.fork.json")
    assert "cosigned_root" in evidence.read_text()
    # A longer one, with a proof that is right for its own earlier tree.
    assert witness.send(request_body(5, leaves(8, "!"))).status_code == 422
    # A smaller one.
    assert witness.send(request_body(3, leaves(4))).status_code == 409
    assert witness.send(request_body(5, leaves(8))).status_code == 200


def test_a_repetition_and_a_wrong_old_size(witness: Running) -> None:
    body = request_body(0, leaves(5))
    assert witness.send(body).status_code == 200
    again = witness.send(body)
    assert (again.status_code, again.text) == (409, "5\n")
    assert witness.send(request_body(5, leaves(5))).status_code == 200


def test_it_remembers_after_a_restart_what_it_has_cosigned(tmp_path: Path) -> None:
    first = Running(tmp_path)
    assert first.send(request_body(0, leaves(5))).status_code == 200
    with pytest.raises(InputError, match="Another witness"):
        WitnessState(tmp_path)
    first.stop()
    second = Running(tmp_path)
    try:
        assert str(second.key) == str(first.key)
        assert second.send(request_body(0, leaves(6, "!"))).status_code == 409
        assert second.send(request_body(5, leaves(6))).status_code == 200
    finally:
        second.stop()


def test_of_two_extensions_at_once_one_is_cosigned(witness: Running) -> None:
    assert witness.send(request_body(0, leaves(4))).status_code == 200
    forks = [[*leaves(4), merkle.leaf_hash(b"fork %d" % number)] for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda one: witness.send(request_body(4, one)), forks))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 7


def test_a_changed_state_stops_it(witness: Running) -> None:
    assert witness.send(request_body(0, leaves(4))).status_code == 200
    (path,) = witness.state.directory.glob("*.json")
    path.write_text("{}")
    assert witness.send(request_body(4, leaves(5))).status_code == 500
    assert "is not a file of a witness" in witness.lines[-1]


def test_a_name_that_a_key_cannot_have_is_refused() -> None:
    for name in ("", "a b", "a+b", "a\n"):
        with pytest.raises(InputError, match="no spaces"):
            WitnessSigner(name, bytes(32))


def test_a_key_file_that_is_not_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "witness.key").write_text("no key")
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        WitnessSigner.stored(tmp_path, "witness.example")


def test_the_key_is_readable_for_its_owner_only(witness: Running) -> None:
    assert (witness.state.directory / "witness.key").stat().st_mode & 0o777 == 0o600
