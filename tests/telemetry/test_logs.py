"""Which lines are logged, in which format, and that they contain no secrets."""

import asyncio
import io
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from app.access.identity import key_listing
from app.core.settings import Settings
from app.standalone.mlflow import ChildMLflow
from app.telemetry.logs import configure_logs
from tests.support.gateway import RunningGateway
from tests.support.redis import free_port
from tests.support.scripted_upstream import UpstreamConnection, scripted_upstream

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"


@pytest.fixture
def logged(
    monkeypatch: pytest.MonkeyPatch,
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
) -> Iterator[Callable[..., Any]]:
    """Starts a gateway with settings; yields it with its log output."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    @contextmanager
    def run(**settings: Any) -> Iterator[tuple[RunningGateway, io.StringIO]]:
        output = io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", output)
            url = settings.pop("mlflow_url", mlflow_server.url)
            gateway = RunningGateway(new_database(), url, **settings)
        with gateway:
            yield gateway, output

    yield run
    root.handlers = handlers
    root.setLevel(level)


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def requests_in(output: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines(output) if line["event"] == "request"]


def test_requests_beyond_a_limit_do_not_fill_the_log(logged: Callable[..., Any]) -> None:
    with (
        logged(log_format="json", mlflow_url="http://127.0.0.1:9") as (gateway, output),
        gateway.client(gateway.key(rate_limit=1)) as client,
    ):
        client.get("/api/limits")
        began = time.monotonic()
        for _ in range(20):
            for path in ("/api/limits", "/api/mlflow/api/2.0/mlflow/runs/get", "/absent"):
                assert client.get(path).status_code == 429
        seconds = time.monotonic() - began
    refused = [line["reason"] for line in requests_in(output) if line["status"] == 429]
    # One in each second that the requests took, or began in.
    assert 1 <= len(refused) <= seconds + 2
    assert set(refused) == {"rate_limited"}


def test_the_line_of_a_request_has_its_caller_route_and_outcome(logged: Callable[..., Any]) -> None:
    with logged(access_log="all") as (gateway, output), gateway.client(gateway.key()) as client:
        principal = client.get("/api/auth/whoami").json()["principal"]
        response = client.get(SEARCH)
    line = requests_in(output)[-1]
    assert line["request_id"] == response.headers["x-request-id"]
    assert line["method"] == "GET"
    assert line["route"] == "/api/2.0/mlflow/experiments/search"
    assert line["status"] == 200
    assert line["milliseconds"] > 0
    assert line["principal"] == principal
    assert line["client"] == "127.0.0.1"
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("access_log", "statuses"), [("all", [200, 401]), ("errors", [401]), ("none", [])]
)
def test_a_setting_selects_the_logged_requests(
    logged: Callable[..., Any], access_log: str, statuses: list[int]
) -> None:
    with logged(access_log=access_log) as (gateway, output), gateway.client() as client:
        client.get("/livez")
        client.get("/api/limits")
    assert [line["status"] for line in requests_in(output)] == statuses


def test_paths_and_queries_are_not_logged(logged: Callable[..., Any]) -> None:
    with logged(access_log="all") as (gateway, output), gateway.client(gateway.key()) as client:
        client.get("/api/private-path?private=query")
        client.get("/api/mlflow/private-path?private=query")
        client.get(SEARCH + "&filter=private")
    assert len(requests_in(output)) == 3
    assert "private" not in output.getvalue()


def test_the_console_format_has_a_line_for_each_event(logged: Callable[..., Any]) -> None:
    with (
        logged(access_log="all", log_format="console") as (gateway, output),
        gateway.client() as client,
    ):
        request_id = client.get("/api/limits").headers["x-request-id"]
    (line,) = [line for line in output.getvalue().splitlines() if request_id in line]
    assert "status=401" in line
    assert "\x1b" not in line  # colours only on a terminal


def test_a_refusal_or_an_upstream_error_has_no_traceback(logged: Callable[..., Any]) -> None:
    with (
        logged(mlflow_url=f"http://127.0.0.1:{free_port()}", access_log="all") as (gateway, output),
        gateway.client(gateway.key()) as client,
    ):
        assert client.get(SEARCH).status_code == 502
        assert client.get("/api/none").status_code == 404
        assert client.post("/api/keys", content=b"{").status_code == 422
        wrong = {"Authorization": "Bearer wrong"}
        assert client.get("/api/limits", headers=wrong).status_code == 401
    assert "Traceback" not in output.getvalue()
    assert not [line for line in lines(output) if line["level"] == "error"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_internal_error_has_a_traceback_without_secrets(
    logged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"internal error about {gateway_key}")

    monkeypatch.setattr(key_listing, "list_keys", fail)
    with logged(log_format=log_format) as (gateway, output):
        gateway_key = gateway.key()
        with gateway.client(gateway_key) as client:
            response = client.get("/api/keys")
    assert response.status_code == 500
    text = output.getvalue()
    assert text.count("Traceback") == 1
    assert "RuntimeError: internal error about hk_[redacted]" in text
    assert response.headers["x-request-id"] in text
    # The default console formatter would show the values of local variables.
    assert gateway_key not in text
    assert "locals" not in text


def test_keys_are_redacted_in_every_form_that_they_are_logged_in(
    logged: Callable[..., Any],
) -> None:
    with logged() as (gateway, output):
        key = gateway.key()
        log = structlog.get_logger()
        log.warning("text", value=key)
        log.warning(key)
        log.warning("nested", value={"list": [key], key: 1})
        log.warning("bytes", value=key.encode())
        logging.getLogger("library").warning("with %s and %r", key, {"key": key})
    assert output.getvalue().count("hk_[redacted]") >= 6
    assert key not in output.getvalue()


def test_libraries_log_in_the_same_format(logged: Callable[..., Any]) -> None:
    with logged() as (_, output):
        logging.getLogger("library").warning("one word")
    assert [line["level"] for line in lines(output) if line["event"] == "one word"] == ["warning"]


def test_lines_below_the_level_are_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", output)
    try:
        configure_logs(Settings(log_level="error"))
        structlog.get_logger("level").info("not this")
        structlog.get_logger("level").error("but this")
    finally:
        root.handlers = handlers
        root.setLevel(level)
    assert "not this" not in output.getvalue()
    assert "but this" in output.getvalue()


async def test_request_id_and_trace_go_upstream(logged: Callable[..., Any]) -> None:
    """So that lines of MLflow's log can be matched with the gateway's."""
    heads = []

    async def script(connection: UpstreamConnection) -> None:
        while True:
            heads.append(await connection.respond())

    async with scripted_upstream(script) as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        with logged(mlflow_url=url, tenancy="shared") as (gateway, _):
            key = await asyncio.to_thread(gateway.key)
            headers = {"X-Request-ID": "train-42", "traceparent": TRACE}
            with gateway.client(key, **headers) as client:
                response = await asyncio.to_thread(client.get, SEARCH)
            assert response.headers["x-request-id"] == "train-42"
    assert b"\r\nx-request-id: train-42\r\n" in heads[0]
    assert b"\r\ntraceparent: %b\r\n" % TRACE.encode() in heads[0]
