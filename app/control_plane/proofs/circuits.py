"""The circuits whose proofs are accepted: keys in a directory, as `hokusai circuits` makes them."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from app.control_plane.proofs.statements import PUBLIC_INPUTS
from app.core.errors import ProofRefusedError

log = structlog.get_logger()

_CIRCUIT = re.compile(r"[0-9a-f]{64}")
_SETUP = re.compile(r"operator|ceremony:[0-9a-f]{64}")
_MEMBERS: Final = frozenset(
    {"protocol", "curve", "nPublic", "vk_alpha_1", "vk_beta_2", "vk_gamma_2", "vk_delta_2", "IC"}
    | {"statement", "capacity", "setup", "circuit"}
)
_HEADER: Final = "hokusai-groth16-bn254-v1\n{statement}\n{capacity}\n{setup}\n"


@dataclass(frozen=True, slots=True)
class Circuit:
    """One circuit.

    circuit: its identifier, a SHA-256 over its statement, capacity, setup and verifying key.
    statement: `cells` or `agreement`. capacity: the rows that it takes.
    setup: `operator`, or `ceremony:` and the SHA-256 of the transcript.
    document: the verifying key, as snarkjs writes it, with these members.
    proving_key: the file of its proving key.
    """

    circuit: str
    statement: str
    capacity: int
    setup: str
    document: Mapping[str, Any]
    proving_key: Path


class Circuits:
    """The circuits of a directory, read again when the directory has changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read_at: int | None = None
        self._found: Mapping[str, Circuit] = {}

    async def all(self) -> Sequence[Circuit]:
        """All of them, by their identifiers."""
        return list((await asyncio.to_thread(self._read)).values())

    async def find(self, circuit: str) -> Circuit:
        """The circuit of a proof. Raises ProofRefusedError where it is not known here."""
        found = (await asyncio.to_thread(self._read)).get(circuit)
        if found is None:
            raise ProofRefusedError(
                f"This gateway does not know the circuit {circuit}. GET /api/proofs/circuits lists "
                "those whose proofs it accepts."
            )
        return found

    def _read(self) -> Mapping[str, Circuit]:
        try:
            changed_at = self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if changed_at != self._read_at:
            self._found = dict(self._readable())
            self._read_at = changed_at
        return self._found

    def _readable(self) -> Iterator[tuple[str, Circuit]]:
        """What can be used of the directory; of the rest the log says that it cannot."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield path.stem, _circuit(path)
            except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
                log.warning("proofs.key_unreadable", file=str(path), error=str(error))


def _circuit(path: Path) -> Circuit:
    """Raises ValueError for a file that is not the verifying key that its name says.

    Also KeyError, TypeError and OverflowError, for a file of some other form.
    """
    document = json.loads(path.read_bytes())
    statement, capacity, setup = (document[name] for name in ("statement", "capacity", "setup"))
    # It travels with each attestation, and verifiers accept one form of it.
    is_known = (
        set(document) == _MEMBERS
        and (document["protocol"], document["curve"]) == ("groth16", "bn128")
        and statement in PUBLIC_INPUTS
        and type(capacity) is int
        and _SETUP.fullmatch(setup)
        # No party has contributed to such a key, and anybody can forge proofs under it.
        and document["vk_gamma_2"] != document["vk_delta_2"]
        and len(document["IC"]) == len(PUBLIC_INPUTS[statement]) + 1
        and document["nPublic"] == len(PUBLIC_INPUTS[statement])
    )
    header = _HEADER.format(statement=statement, capacity=capacity, setup=setup)
    digest = hashlib.sha256(header.encode() + _points(document)).hexdigest()
    is_named = path.stem == document["circuit"] == digest
    if not is_known or not is_named or not _CIRCUIT.fullmatch(path.stem):
        raise ValueError(f"{path} is not the verifying key of the circuit that it is named after")
    return Circuit(digest, statement, capacity, setup, document, path.with_suffix(".zkey"))


def _points(document: Mapping[str, Any]) -> bytes:
    """The points of a verifying key as EIP-196 and EIP-197 encode them."""
    numbers = _plain(document["vk_alpha_1"])
    for name in ("vk_beta_2", "vk_gamma_2", "vk_delta_2"):
        numbers += _twisted(document[name])
    for point in document["IC"]:
        numbers += _plain(point)
    for number in numbers:
        _require(isinstance(number, str) and str(int(number)) == number)
    return b"".join(int(number).to_bytes(32, "big") for number in numbers)


def _plain(point: Sequence[str]) -> list[str]:
    x, y, z = point
    _require(z == "1")
    return [x, y]


def _twisted(point: Sequence[Sequence[str]]) -> list[str]:
    (x, i_x), (y, i_y), z = point
    _require(z == ["1", "0"])
    return [i_x, x, i_y, y]


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("a point has another form than snarkjs writes")
