"""The assembly: required settings, and the routing of requests to the two planes."""

from typing import Any

import pytest
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from app.control_plane import health
from app.core.app_state import AppState
from app.core.errors import StartupError
from app.core.settings import Settings
from app.main import PUBLIC, UNLIMITED, Gateway, PlaneRouter, create_app


def settings(**changes: Any) -> Settings:
    return Settings(
        **{
            "database_url": SecretStr("postgresql://127.0.0.1:9/none"),
            "mlflow_url": "http://127.0.0.1:9",
            "key_pepper": SecretStr("pepper of the tests"),
            "attestor_key": SecretStr("a7" * 32),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"database_url": None}, "HOKUSAI_DATABASE_URL and HOKUSAI_MLFLOW_URL must be set"),
        ({"mlflow_url": None}, "HOKUSAI_DATABASE_URL and HOKUSAI_MLFLOW_URL must be set"),
        ({"key_pepper": None}, "HOKUSAI_KEY_PEPPER is not set"),
        ({"attestor_key": None}, "HOKUSAI_ATTESTOR_KEY"),
        ({"database_url": SecretStr("postgresql://h/d?a=b")}, "HOKUSAI_DATABASE_URL"),
    ],
)
def test_a_missing_or_invalid_setting_is_a_startup_error(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(StartupError, match=words):
        create_app(settings(**changes))


def test_health_checks_are_public_and_unlimited() -> None:
    assert health.PUBLIC <= PUBLIC
    assert health.PUBLIC <= UNLIMITED


class Recorder:
    """An ASGI application that records the paths, or the types, of what it is called with."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append(scope.get("raw_path", scope["type"]))


async def nothing(*_: Any) -> Any:
    raise AssertionError("nothing is received or sent")


@pytest.mark.parametrize(
    ("path", "is_proxied"),
    [
        (b"/api/mlflow", True),
        (b"/api/mlflow/", True),
        (b"/api/mlflow/api/2.0/mlflow/runs/get", True),
        (b"/api/mlflow2", False),
        (b"/api/models", False),
        (b"/", False),
    ],
)
async def test_paths_below_api_mlflow_go_to_the_data_plane(path: bytes, is_proxied: bool) -> None:
    proxy, api = Recorder(), Recorder()
    await PlaneRouter(proxy, api)({"type": "http", "raw_path": path}, nothing, nothing)
    assert (proxy.calls, api.calls) == (([path], []) if is_proxied else ([], [path]))


async def test_the_lifespan_is_that_of_fastapi() -> None:
    app, api = Recorder(), Recorder()
    gateway = Gateway(app, api, fast_path=None, services=AppState({}), unread_responses=None)  # type: ignore[arg-type]
    await gateway({"type": "lifespan"}, nothing, nothing)
    await gateway({"type": "http"}, nothing, nothing)
    assert (app.calls, api.calls) == (["http"], ["lifespan"])
