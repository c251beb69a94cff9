"""Another vendor's tools for transparency logs, installed beside the packages of the tests."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.support.redis import free_port
from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[2]
_HERE = _ROOT / "tests/control_plane/transparency_log/interop"
_LOCK = _HERE / "requirements.txt"
_PACKAGES = _ROOT / ".cache" / f"log-tools-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:8]}"


def read_log(prefix: str, key: str, *witnesses: str) -> dict[str, Any]:
    """What `interop/read_log.py` finds below a prefix. key, witnesses: verifier keys.

    Raises AssertionError if the log, a signature or a cosignature is not valid.
    """
    found: dict[str, Any] = json.loads(_run(_HERE / "read_log.py", prefix, key, *witnesses))
    return found


def submit(prefix: str, url: str, key: str) -> str:
    """The cosignature that a witness gives for a log, to the other vendor's client.

    prefix: of the log. url, key: of the witness. Raises AssertionError if it gives none.
    """
    return _run(_HERE / "submit.py", prefix, url, key)


class OtherWitness:
    """The other vendor's witness of a log, which runs while the `with` block lasts.

    key: the public key. url: of the server. setting: both, for HOKUSAI_WITNESSES.
    """

    def __init__(self, directory: Path, origin: str, log_key: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        command = ["-m", "aics_witness"]
        config = ["--config", str(directory / "witness.toml")]
        name = ["--name", "other.example", "--listen", address]
        made = _run(*command, "init", *config, *name)
        (self.key,) = (word for word in made.split() if word.startswith("other.example+"))
        _run(*command, "add-log", *config, "--origin", origin, "--vkey", log_key)
        self.url = f"http://{address}"
        self.setting = f"{self.key} {self.url}"
        self._process = subprocess.Popen(
            [sys.executable, *command, "serve", *config], env=_environment()
        )

    def __enter__(self) -> Self:
        wait_until(self._listens)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        host, _, port = self.url.removeprefix("http://").partition(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return True


def _environment() -> dict[str, str]:
    # What the locked packages need is installed for the tests anyway.
    return {**os.environ, "PYTHONPATH": str(_installed())}


def _installed() -> Path:
    if not _PACKAGES.exists():
        own = _PACKAGES.with_name(f"log-tools-{os.getpid()}")
        pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        options = ["--no-deps", "--ignore-requires-python", "--require-hashes"]
        arguments: list[str | Path] = [*pip, *options, "--target", own, "--requirement", _LOCK]
        subprocess.run([sys.executable, *arguments], check=True, timeout=120)
        try:
            own.rename(_PACKAGES)
        except OSError:  # another process of the tests was first
            shutil.rmtree(own)
    return _PACKAGES


def _run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
