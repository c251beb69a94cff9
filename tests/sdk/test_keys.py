"""`hokusai keys` and `limits` with a running gateway, by key and by wallet."""

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hokusai.cli.main import main

from app.database.engine import now
from tests.support.gateway import RunningGateway
from tests.support.redis import free_port
from tests.support.responses import good
from tests.support.waiting import wait_until

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def local(new_database: Callable[[], str]) -> Iterator[RunningGateway]:
    """A gateway that takes SIWE messages for the address that it listens at, and has no MLflow."""
    with RunningGateway(new_database(), f"http://127.0.0.1:{free_port()}") as running:
        # As with a HOKUSAI_PUBLIC_URL; the port is known now only.
        running.settings.__dict__["public_hosts"] = frozenset({f"127.0.0.1:{running.port}"})
        yield running


@pytest.fixture
def run(
    local: RunningGateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Runs `hokusai`: the output, parsed with --json. Fails unless the command succeeds."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOKUSAI_URL", local.url)

    def execute(*arguments: str) -> Any:
        code = main(arguments)
        out, err = capsys.readouterr()
        assert (code, err) == (0, ""), err
        return json.loads(out) if "--json" in arguments else out

    return execute


def life(key: Any) -> timedelta:
    return datetime.fromisoformat(key["expires_at"]) - now()


def works(gateway: RunningGateway, key: str) -> bool:
    with gateway.client(key) as client:
        return client.get("/api/auth/whoami").status_code == 200


def test_a_key_manages_its_own_keys(
    local: RunningGateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOKUSAI_API_KEY", local.key(rate_limit=500))
    made = run(
        *["keys", "create", "--name", "night job", "--scope", "read", "--rate-limit", "5"],
        *["--expires-in-days", "3", "--network", "127.0.0.0/8", "--json"],
    )
    assert (made["scopes"], made["rate_limit"]) == (["read"], 5)
    assert made["allowed_networks"] == ["127.0.0.0/8"]
    assert timedelta(days=2) < life(made) <= timedelta(days=3)
    rotated = run("keys", "rotate", made["id"], "--overlap-seconds", "0", "--json")
    assert rotated["expires_at"] == made["expires_at"]
    assert works(local, rotated["key"])
    listed = {key["id"]: key for key in run("keys", "list", "--json")}
    assert listed[made["id"]]["successor"] == rotated["id"]
    assert all("key" not in key for key in listed.values())
    shown = run("keys", "list")
    assert made["key"] not in shown
    assert made["expires_at"] in shown
    assert rotated["id"] in run("keys", "revoke", rotated["id"])
    wait_until(lambda: not works(local, rotated["key"]))


def test_a_wallet_creates_a_key_of_ninety_days_and_ends_all(
    local: RunningGateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOKUSAI_PRIVATE_KEY", f"0x{secrets.token_hex(32)}")
    made = run("keys", "create", "--name", "mine", "--json")
    assert timedelta(days=89) < life(made) <= timedelta(days=90)
    assert made["may_issue"] is True
    rotated = run("keys", "rotate", made["id"], "--json")
    assert "revoked" in run("keys", "revoke", made["id"], "--rotation-chain")
    wait_until(lambda: not works(local, rotated["key"]))
    left = run("keys", "create", "--name", "left", "--json")
    assert run("keys", "revoke", "--all").startswith("Revoked: 1 keys and ")
    wait_until(lambda: not works(local, left["key"]))


def test_where_sign_in_is_disabled_a_wallets_key_is_for_a_day(
    gateway: RunningGateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = secrets.token_hex(32)
    monkeypatch.setitem(gateway.settings.__dict__, "public_hosts", frozenset())
    monkeypatch.setenv("HOKUSAI_URL", gateway.url)
    monkeypatch.setenv("HOKUSAI_PRIVATE_KEY", private)
    made = run("keys", "create", "--name", "mine", "--json")
    assert made["principal"] == f"wallet:{Account.from_key(private).address}"
    assert timedelta(hours=23) < life(made) <= timedelta(days=1)
    assert run("keys", "rotate", made["id"], "--json")["expires_at"] == made["expires_at"]


def test_limits_and_whoami_show_quotas_and_the_end(
    local: RunningGateway, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = local.key(expires_in_days=5)
    monkeypatch.setenv("HOKUSAI_API_KEY", key)
    with local.client(key) as client:
        end = good(client.get("/api/auth/whoami"))["expires_at"]
    assert end in run("whoami")
    lines = [line.split() for line in run("limits").splitlines()]
    assert ["kind", "used", "quota"] in lines
    assert ["keys", "1", "1000000"] in lines
    assert run("limits", "--json")["address_limit"] is None
    monkeypatch.delenv("HOKUSAI_API_KEY")
    monkeypatch.setenv("HOKUSAI_PRIVATE_KEY", secrets.token_hex(32))
    assert "All wallets at your address together: 1000000 requests" in run("limits")
