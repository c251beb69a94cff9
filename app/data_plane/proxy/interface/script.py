"""The gateway's script in MLflow's page, under a name that changes with its content."""

import hashlib
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """name: of its file, below static-files/."""

    name: str
    content: bytes


def _load() -> Script:
    content = files("app.data_plane.proxy.interface").joinpath("script.js").read_bytes()
    return Script(f"hokusai.{hashlib.sha256(content).hexdigest()[:12]}.js", content)


SCRIPT = _load()
