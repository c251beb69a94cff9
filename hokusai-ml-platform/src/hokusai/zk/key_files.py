"""The keys of circuits in a directory: `<circuit>.json` to verify with, `<circuit>.zkey` to prove.

This is the directory that a gateway reads, and the one that the SDK keeps keys in.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from hokusai.errors import DocumentError
from hokusai.whole_files import replacing
from hokusai.zk import zkey
from hokusai.zk.circom_files import r1cs
from hokusai.zk.circuits import statement
from hokusai.zk.keys import VerifyingKey
from hokusai.zk.setup import setup, verifying_key


def make(directory: Path, name: str, capacity: int) -> VerifyingKey:
    """Make the keys of a circuit, as the one party of its setup, and save them.

    Args:
        directory: Where to save them.
        name: The name of the statement.
        capacity: The rows of the circuit.

    Raises:
        OSError: They cannot be saved.
    """
    of = statement(name)
    proving_key, key = setup(of, capacity)
    save(directory, key, zkey.write(proving_key, of.blank(capacity)))
    return key


def import_zkey(
    directory: Path, content: bytes, name: str, capacity: int, transcript: bytes
) -> VerifyingKey:
    """Save the keys of a ceremony.

    Args:
        directory: Where to save them.
        content: The last `.zkey` of the ceremony.
        name: The name of the statement.
        capacity: The rows of the circuit.
        transcript: What the ceremony recorded, as deploy/zk-ceremony/run writes it. Its SHA-256
            becomes part of the circuit's identifier.

    Raises:
        DocumentError: It is not a proving key of that circuit, nobody contributed to it, or the
            transcript is one of another key.
        OSError: They cannot be saved.
    """
    proving_key = zkey.read(content)
    blank = statement(name).blank(capacity)
    zkey.check(proving_key, blank)
    _require_transcript(
        transcript,
        statement=name,
        rows=capacity,
        r1cs_sha256=hashlib.sha256(r1cs(blank)).hexdigest(),
        zkey_sha256=hashlib.sha256(content).hexdigest(),
    )
    origin = f"ceremony:{hashlib.sha256(transcript).hexdigest()}"
    # Written and read once, so that all rules for verifying keys are applied.
    made = verifying_key(proving_key, name, capacity, origin)
    key = VerifyingKey.from_json(made.as_json())
    save(directory, key, content)
    return key


def _require_transcript(transcript: bytes, **expected: Any) -> None:
    try:
        said = json.loads(transcript)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise DocumentError("The transcript is not a JSON object.")
    for name, value in expected.items():
        if said.get(name) != value:
            raise DocumentError(
                f"The transcript is that of another key: its {name} is {said.get(name)!r}, and "
                f"that of the key is {value!r}."
            )


def save(directory: Path, key: VerifyingKey, proving_key: bytes) -> None:
    """Save both keys. The verifying key comes last, so that where it is, the other is whole.

    Raises:
        OSError: They cannot be saved.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _write(proving_key_path(directory, key.circuit), proving_key)
    text = json.dumps(key.as_json(), indent=2) + "\n"
    _write(directory / f"{key.circuit}.json", text.encode())


def proving_key_path(directory: Path, circuit: str) -> Path:
    return directory / f"{circuit}.zkey"


def load(directory: Path) -> dict[str, VerifyingKey]:
    """The verifying keys of a directory by their circuits.

    Raises:
        DocumentError: A file is not the verifying key that its name says.
    """
    keys = {}
    for path in sorted(directory.glob("*.json")):
        try:
            key = VerifyingKey.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, RecursionError) as error:
            raise DocumentError(f"{path} is not a verifying key: {error}") from None
        if path.stem != key.circuit:
            raise DocumentError(f"{path} is the verifying key of circuit {key.circuit}.")
        keys[key.circuit] = key
    return keys


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)
    # Keys are public; a gateway may run as another user.
    os.chmod(path, 0o644)
