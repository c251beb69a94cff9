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

    bounds: try those of each parameter too, and more requests of each operation. What a request may
    contain does not depend on the caller, so this is done once: for an admin, who may call every
    operation. For other callers it is tested how each operation refuses or accepts them.

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
    command += ["--phases", "examples,coverage,fuzzing" if bounds else "examples,fuzzing"]
    if not bounds:
        command += ["--max-examples", "2"]
    output = run([*command, "--checks", "all", "--no-color"], directory)
    # It tested every operation and skipped none.
    assert f"Tested: {len(OPERATIONS)}" in output, output
