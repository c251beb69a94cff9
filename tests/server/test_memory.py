"""Modules that a serving process does not load."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.redis import free_port
from tests.support.serve_process import FreshServeProcess

# Modules of other commands, databases and programs, and for terminals.
UNNEEDED = {
    "alembic",
    "cffi.api",
    "mlflow",
    "psycopg2",
    "pydantic.v1.main",
    "pygments",
    "rich.console",
    "typer",
}


@pytest.mark.parametrize(("workers", "without"), [("1", {"redis"}), ("2", set())])
def test_a_serving_process_loads_no_unneeded_module(
    tmp_path: Path,
    new_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
    without: set[str],
) -> None:
    # Python prints a line for each module that a process loads; for a blocked package, only a line
    # with its name.
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    nowhere = f"127.0.0.1:{free_port()}"
    shared = {"redis_url": f"redis://{nowhere}"} if workers != "1" else {}
    with FreshServeProcess(
        tmp_path / "data",
        database_url=new_database(),
        mlflow_url=f"http://{nowhere}",
        workers=workers,
        **shared,
    ) as serving:
        serving.wait_for_status("/livez", 200)
        for path in ("/openapi.json", "/docs"):
            assert httpx.get(f"{serving.url}{path}", trust_env=False).status_code == 200
        lines = serving.output.splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert {"fastapi", "sqlalchemy", "app.main"} <= loaded
    assert loaded & (UNNEEDED | without) == set()
