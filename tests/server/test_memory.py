"""What a process that serves does not load."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.redis import free_port
from tests.support.serve_process import Serving

# Other commands', other databases', other programs', and what looks nice on a terminal.
NEEDLESS = {
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
def test_serving_loads_no_more_than_it_needs(
    tmp_path: Path,
    new_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
    without: set[str],
) -> None:
    # Python writes a line for each module that any of the processes loads, and one for the name
    # alone of a package that is as good as not installed.
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    nowhere = f"127.0.0.1:{free_port()}"
    shared = {"redis_url": f"redis://{nowhere}"} if workers != "1" else {}
    with Serving(
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
    assert loaded & (NEEDLESS | without) == set()
