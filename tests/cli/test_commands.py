"""`hokusai-gateway keys …` and `tenants …`, as an operator uses them."""

import json
import secrets
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from app.access.identity.key_format import is_well_formed, new_key
from app.standalone.data_directory import DataDirectory
from tests.cli.command_line import CommandLine
from tests.support.gateway import RunningGateway
from tests.support.plain_words import what_is_not_plain
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.waiting import wait_until

WHOAMI = "/api/auth/whoami"


class Shell:
    """Runs commands with the settings of a gateway, in this process."""

    def __init__(
        self,
        gateway: RunningGateway,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        directory: Path,
    ) -> None:
        settings = gateway.settings
        assert settings.database_url is not None
        assert settings.key_pepper is not None
        self._commands = CommandLine(monkeypatch, capsys)
        self.url = settings.database_url.get_secret_value().replace("+asyncpg", "")
        self.environment: dict[str, str] = {
            "HOKUSAI_DATABASE_URL": self.url,
            "HOKUSAI_KEY_PEPPER": settings.key_pepper.get_secret_value(),
            "HOKUSAI_DATA_DIR": str(directory / "none"),
        }

    def run(self, *arguments: str, without: str = "", **environment: str) -> CompletedProcess[str]:
        given = {**self.environment, **environment}
        given.pop(without, None)
        return self._commands.run(*arguments, **given)

    def read(self, *arguments: str) -> Any:
        """The JSON output of a command; fails unless it succeeds."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def fails(self, code: int, *arguments: str, **environment: str) -> str:
        """The standard error of a command; fails unless it exits with this code, without output."""
        done = self.run(*arguments, **environment)
        assert (done.returncode, done.stdout) == (code, ""), done
        return done.stderr


@pytest.fixture
def shell(
    gateway: RunningGateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Shell:
    return Shell(gateway, monkeypatch, capsys, tmp_path)


def unused() -> str:
    return f"t-{secrets.token_hex(6)}"


def actors(gateway: RunningGateway, tenant: str) -> list[tuple[Any, ...]]:
    statement = "select actor, action, subject from audit_events where tenant = %s order by id"
    return sql(gateway, statement, tenant)


def test_a_key_is_made_and_revoked_from_the_shell(gateway: RunningGateway, shell: Shell) -> None:
    tenant = unused()
    made = shell.read(
        *["keys", "create", "--tenant", tenant, "--name", "night job"],
        *["--scope", "write", "--scope", "read", "--rate-limit", "7"],
        *["--expires-in-days", "0", "--network", "127.0.0.0/8"],
    )
    assert is_well_formed(made["key"])
    assert (made["name"], made["scopes"], made["rate_limit"]) == ("night job", ["read", "write"], 7)
    assert (made["expires_at"], made["allowed_networks"]) == (None, ["127.0.0.0/8"])
    assert made["created_by"] == "cli"
    with gateway.client(made["key"]) as client:
        assert good(client.get(WHOAMI))["tenant"] == tenant
        new = shell.read("keys", "rotate", made["id"], "--overlap-seconds", "3600")
        assert new["key"] != made["key"]
        with gateway.client(new["key"]) as successor:
            good(successor.get(WHOAMI))
        good(client.get(WHOAMI))
        assert "rotated" in shell.fails(1, "keys", "rotate", made["id"])
        revoked = shell.read("keys", "revoke", made["id"])
        assert (revoked["id"], revoked["state"]) == (made["id"], "revoked")
        # The running gateway is notified.
        wait_until(lambda: client.get(WHOAMI).status_code == 401)
        refused(client.get(WHOAMI), 401, "key_revoked")
    listed = {key["id"]: key for key in shell.read("keys", "list", "--tenant", tenant)}
    assert {name: key["state"] for name, key in listed.items()} == {
        made["id"]: "revoked",
        new["id"]: "active",
    }
    assert all("key" not in key for key in listed.values())
    assert actors(gateway, tenant) == [
        ("cli", "tenant.created", tenant),
        ("cli", "key.created", made["id"]),
        ("cli", "key.rotated", made["id"]),
        ("cli", "key.revoked", made["id"]),
    ]


def test_a_limit_is_changed_from_the_shell(gateway: RunningGateway, shell: Shell) -> None:
    made = shell.read("keys", "create", "--tenant", unused(), "--name", "n", "--rate-limit", "7")
    with gateway.client(made["key"]) as client:
        assert good(client.get(WHOAMI))["rate_limit"] == 7
        assert shell.read("keys", "limit", made["id"], "2000")["rate_limit"] == 2000
        wait_until(lambda: good(client.get(WHOAMI))["rate_limit"] == 2000)
        assert shell.read("keys", "limit", made["id"])["rate_limit"] is None
    assert "RATE_LIMIT" in shell.fails(1, "keys", "limit", made["id"], "0")
    assert "no key" in shell.fails(1, "keys", "limit", "unknown", "5")
    actions = [action for _, action, subject in actors(gateway, made["tenant"]) if subject]
    assert actions.count("key.limit_changed") == 2


def test_quotas_are_shown_and_changed_from_the_shell(gateway: RunningGateway, shell: Shell) -> None:
    tenant = unused()
    made = shell.read("keys", "create", "--tenant", tenant, "--name", "n")
    shown = {one["kind"]: one for one in shell.read("tenants", "quotas", tenant)}
    assert shown["keys"] == {"kind": "keys", "used": 1, "quota": 1000, "is_default": True}
    change = ["--set", "keys=1", "--set", "models=5", "--set", "tokens=default"]
    changed = {
        one["kind"]: one["quota"] for one in shell.read("tenants", "quotas", tenant, *change)
    }
    assert (changed["keys"], changed["models"], changed["tokens"]) == (1, 5, 1000)
    with gateway.client(made["key"]) as client:
        refused(client.post("/api/keys", json={"name": "n"}), 403, "quota_exceeded")
    for wrong, said in (("keys=many", "--set"), ("runs=5", "--set"), ("keys=-1", "--set")):
        assert said in shell.fails(1, "tenants", "quotas", tenant, "--set", wrong)
    assert "no tenant" in shell.fails(1, "tenants", "quotas", unused())
    assert actors(gateway, tenant)[-1] == ("cli", "tenant.quotas_changed", tenant)


def test_without_json_the_output_is_for_people(gateway: RunningGateway, shell: Shell) -> None:
    tenant = unused()
    done = shell.run("keys", "create", "--tenant", tenant, "--name", "n")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(lines) == ["key", "id", "tenant", "scopes", "expires_at"]
    assert lines["scopes"] == "read, write, register, attest"
    with gateway.client(lines["key"]) as client:
        good(client.get(WHOAMI))
    listed = shell.run("keys", "list", "--tenant", tenant)
    header, row = listed.stdout.splitlines()
    assert header.split() == ["id", "state", "tenant", "name", "hint", "rate_limit", "expires_at"]
    assert row.split()[:4] == [lines["id"], "active", tenant, "n"]
    assert lines["key"] not in listed.stdout
    ended = shell.run("keys", "revoke", lines["id"])
    assert ended.returncode == 0
    assert "revoked" in ended.stdout


def test_tenants_from_the_shell(gateway: RunningGateway, shell: Shell) -> None:
    tenant = unused()
    made = shell.read("tenants", "create", tenant)
    assert (made["name"], made["workspace"], made["ready"]) == (tenant, tenant, False)
    assert "already" in shell.fails(1, "tenants", "create", tenant)
    assert tenant in [one["name"] for one in shell.read("tenants", "list")]
    shown = shell.run("tenants", "list").stdout.splitlines()
    assert shown[0].split() == ["name", "workspace", "ready", "created_at", "disabled_at"]
    assert any(line.split()[0] == tenant for line in shown[1:])
    assert shell.read("tenants", "disable", tenant)["disabled_at"]
    assert shell.read("tenants", "enable", tenant)["disabled_at"] is None
    assert actors(gateway, tenant) == [
        ("cli", f"tenant.{action}", tenant) for action in ("created", "disabled", "enabled")
    ]
    assert "no tenant" in shell.fails(1, "tenants", "disable", unused())
    assert "letters" in shell.fails(1, "tenants", "create", "a/b")


CREATE = ["keys", "create", "--tenant", "bad-arguments", "--name", "n"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*CREATE, "--name", ""], "--name: must be "),
        ([*CREATE, "--tenant", "-x"], "A tenant's name"),
        ([*CREATE, "--rate-limit", "0"], "--rate-limit: must be a whole number from 1 to 1000000"),
        ([*CREATE, "--expires-in-days", "-1"], "--expires-in-days: must be "),
        ([*CREATE, "--expires-in-days", "99999999999"], "--expires-in-days: must be "),
        (
            [*CREATE, "--network", "10.0.0.0/99"],
            "--network: must be a network such as 203.0.113.0/24",
        ),
        ([*CREATE, "--name", "\udcff"], "--name: must be "),
        (["keys", "rotate", "0123456789abcdef"], "There is no key"),
        (["keys", "revoke", "0123456789abcdef"], "There is no key"),
        (["keys", "rotate", "abc", "--overlap-seconds", "-1"], "--overlap-seconds: must be "),
        (["keys", "rotate", "abc", "--overlap-seconds", "9" * 30], "--overlap-seconds: must be "),
    ],
)
def test_a_refusal_is_one_line(
    gateway: RunningGateway, shell: Shell, arguments: list[str], says: str
) -> None:
    said = shell.fails(1, *arguments)
    assert said.startswith("error: ")
    assert says in said
    assert len(said.splitlines()) == 1
    assert what_is_not_plain(said) == []
    assert actors(gateway, "bad-arguments") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "create", "--name", "n"],
        ["keys", "create", "--tenant", "t"],
        [*CREATE, "--scope", "root"],
        [*CREATE, "--rate-limit", "many"],
        [*CREATE, "--unknown"],
        ["keys", "rotate"],
        ["keys", "unknown"],
        ["tenants", "create"],
    ],
)
def test_wrong_usage_is_explained(shell: Shell, arguments: list[str]) -> None:
    assert "Usage: hokusai-gateway" in shell.fails(2, *arguments)


def test_missing_or_invalid_settings_are_one_line(gateway: RunningGateway, shell: Shell) -> None:
    for name in ("HOKUSAI_DATABASE_URL", "HOKUSAI_KEY_PEPPER"):
        said = shell.fails(2, "keys", "list", without=name)
        assert said.startswith(f"error: {name} is not set")
    said = shell.fails(2, "keys", "list", HOKUSAI_DATABASE_URL="mysql://x/y")
    assert "HOKUSAI_DATABASE_URL: " in said
    shell.read(
        "keys", "list", "--tenant", unused()
    )  # now the database has the pepper's fingerprint
    wrong = shell.fails(2, *CREATE, HOKUSAI_KEY_PEPPER="another pepper of some length")
    assert wrong.startswith("error: HOKUSAI_KEY_PEPPER: pepper 1 is not the one")
    assert len(wrong.splitlines()) == 1
    assert actors(gateway, "bad-arguments") == []


def test_an_unreachable_database_is_one_line(shell: Shell) -> None:
    url = "postgresql://nobody@127.0.0.1:9/nothing"
    said = shell.fails(2, "keys", "list", HOKUSAI_DATABASE_URL=url)
    assert said.startswith("error: cannot use the database of HOKUSAI_DATABASE_URL: ")
    assert len(said.splitlines()) == 1


def test_the_database_of_a_serve_that_has_ended_is_one_line(shell: Shell, tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    directory.ensure_pepper()
    directory.write_database_url(f"postgresql://postgres@/hokusai?host={tmp_path}/postgres")
    given = {"HOKUSAI_DATA_DIR": str(tmp_path / "data")}
    said = shell.fails(2, "keys", "list", without="HOKUSAI_DATABASE_URL", **given)
    assert "`hokusai-gateway serve`" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("database", ["postgres", "no_such_database"])
def test_a_database_of_another_program_is_one_line(shell: Shell, database: str) -> None:
    server, _, options = shell.url.partition("?")
    url = f"{server.rpartition('/')[0]}/{database}" + (f"?{options}" if options else "")
    said = shell.fails(2, "keys", "list", HOKUSAI_DATABASE_URL=url)
    assert said.startswith("error: cannot use the database of HOKUSAI_DATABASE_URL: ")
    assert "`hokusai-gateway migrate`" in said
    assert len(said.splitlines()) == 1


def test_a_key_is_never_an_argument(shell: Shell) -> None:
    """A key given instead of its id is not printed, because terminal output may be logged."""
    key = new_key()
    for command in ("revoke", "rotate"):
        said = shell.fails(1, "keys", command, key)
        assert key not in said


def test_token_ids_are_reserved_and_bound_from_the_shell(
    gateway: RunningGateway, shell: Shell
) -> None:
    tenant, number = unused(), str(secrets.randbits(60))
    token_id = f"tok-{secrets.token_hex(4)}"
    made = shell.read("tokens", "reserve", token_id, "--tenant", tenant)
    assert (made["token_id"], made["tenant"]) == (token_id.upper(), tenant)
    assert tenant in shell.fails(1, "tokens", "reserve", token_id)
    bound = shell.read("tokens", "bind", token_id, number)
    assert (bound["chain_model_id"], bound["checked_at"]) == (number, None)
    (listed,) = shell.read("tokens", "list", "--tenant", tenant)
    assert listed == bound
    assert "bound" in shell.fails(1, "tokens", "release", token_id)
    assert shell.run("tokens", "unbind", token_id).returncode == 0
    assert "No model number" in shell.fails(1, "tokens", "unbind", token_id)
    assert shell.read("tokens", "reserve", token_id, "--reassign")["tenant"] is None
    assert shell.run("tokens", "release", token_id).returncode == 0
    assert shell.read("tokens", "list", "--tenant", tenant) == []
    assert [(actor, action) for actor, action, _ in actors(gateway, tenant)] == [
        ("cli", "tenant.created"),
        ("cli", "token.reserved"),
        ("cli", "token.bound"),
        ("cli", "token.unbound"),
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bind", "none", "27"], "Reserve it first"),
        (["bind", "none", "1x"], "CHAIN_MODEL_ID: must be a whole number"),
        (["bind", "a/b", "27"], "TOKEN_ID: must be "),
        (["reserve", "none", "--tenant", "-x"], "A tenant's name"),
    ],
)
def test_a_refusal_about_a_token_id_is_one_line(
    shell: Shell, arguments: list[str], says: str
) -> None:
    said = shell.fails(1, "tokens", *arguments)
    assert said.startswith("error: ")
    assert says in said
    assert len(said.splitlines()) == 1
    assert what_is_not_plain(said) == []
