"""schemathesis, a program that tries all that the API's document allows, with all of its checks."""

import sys
from pathlib import Path

from tests.control_plane.openapi_document import OPERATIONS
from tests.support.gateway import RunningGateway
from tests.support.programs import run

CONFIG = Path(__file__).with_name("schemathesis.toml")


def finds_nothing(gateway: RunningGateway, credential: str | None, directory: Path) -> None:
    """It finds the gateway's answers to be as documented; `credential` is sent as Bearer.

    Raises AssertionError with all that it said where it finds something.
    """
    command: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        CONFIG,
        "run",
        f"{gateway.url}/openapi.json",
    ]
    if credential is not None:
        command += ["--header", f"Authorization: Bearer {credential}"]
    said = run([*command, "--checks", "all", "--no-color"], directory)
    # All of the document's operations, and none skipped for a reason of its own.
    assert f"Tested: {len(OPERATIONS)}" in said, said
