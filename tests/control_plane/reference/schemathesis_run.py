"""Runs schemathesis, which sends requests that the OpenAPI document allows, with all its checks."""

import sys
from pathlib import Path

from tests.control_plane.openapi_document import OPERATIONS
from tests.support.gateway import RunningGateway
from tests.support.programs import run

CONFIG = Path(__file__).with_name("schemathesis.toml")


def assert_conforms(
    gateway: RunningGateway,
    credential: str | None,
    directory: Path,
    phases: str = "examples,coverage,fuzzing",
) -> None:
    """The gateway conforms to its OpenAPI document. credential: sent as Bearer, if there is one.

    phases: of schemathesis; `coverage` tries the bounds of each parameter.

    Raises AssertionError with the output of schemathesis where it does not.
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
    output = run([*command, "--phases", phases, "--checks", "all", "--no-color"], directory)
    # It tested every operation and skipped none.
    assert f"Tested: {len(OPERATIONS)}" in output, output
