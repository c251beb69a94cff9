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
    *,
    bounds: bool = False,
) -> None:
    """The gateway conforms to its OpenAPI document. credential: sent as Bearer, if there is one.

    bounds: try those of each parameter too, which takes most of the requests. They do not depend on
    the caller, so they are tried once: for an admin, who may call every operation.

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
    phases = "examples,coverage,fuzzing" if bounds else "examples,fuzzing"
    output = run([*command, "--phases", phases, "--checks", "all", "--no-color"], directory)
    # It tested every operation and skipped none.
    assert f"Tested: {len(OPERATIONS)}" in output, output
