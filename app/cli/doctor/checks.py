"""`hokusai-gateway doctor`: all checks, one after the other."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping

from pydantic import SecretStr
from redis.exceptions import RedisError

from app.access.identity.peppers import Peppers
from app.access.rate_limits.redis_counter import REDIS_SECONDS, RedisCounter
from app.cli.doctor import host_checks
from app.cli.doctor.mlflow_checks import check_mlflow
from app.cli.doctor.postgresql_checks import PostgreSQLCheck
from app.cli.doctor.result import Finding, Level, ok, problem, warning
from app.control_plane.attestations.signing_key import Attestor
from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from app.core.unknown_settings import unknown_variables
from app.standalone.console import say
from app.standalone.data_directory import DataDirectory
from app.telemetry.logs import configure_logs


def examine(environment: Mapping[str, str]) -> bool:
    """Print a line for each check as it is made, and at the end what they come to.

    Nothing is started and nothing is changed. Returns whether there was no problem; raises
    StartupError where the settings themselves are wrong.
    """
    settings = load_settings()
    # What goes wrong is said in the lines.
    configure_logs(settings.model_copy(update={"log_level": "error"}))
    return asyncio.run(_examine(settings, environment))


async def _examine(settings: Settings, environment: Mapping[str, str]) -> bool:
    problems = warned = 0
    async for finding in _findings(settings, environment):
        say(str(finding))
        problems += finding.level is Level.PROBLEM
        warned += finding.level is Level.WARNING
    say("")
    say(_summary(problems, warned))
    return not problems


async def _findings(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Finding]:
    yield ok("settings", "can be read")
    for line in unknown_variables(environment):
        yield warning("settings", line.removeprefix("warning: "))
    for risk in settings.risks:
        yield warning("settings", risk)
    directory = DataDirectory(settings.data_dir)
    completed = _completed(settings, directory)
    given = (settings.database_url, settings.mlflow_url, settings.key_pepper)
    if None in given or not _has_attestor(settings):
        yield host_checks.check_directory(directory)
    yield _pepper(settings, completed, directory)
    attestor, finding = _attestor(settings, completed, directory)
    yield finding
    if settings.database_url is None:
        yield host_checks.check_postgres_here(directory)
    if completed.database_url is not None:
        check = PostgreSQLCheck(
            url=completed.database_url.get_secret_value(),
            started_here=settings.database_url is None,
            peppers=Peppers.from_settings(completed) if completed.key_pepper else None,
            attestor=attestor,
            retired_attestors=settings.retired_attestors,
        )
        async for finding in check.run():
            yield finding
    if settings.mlflow_url is None:
        yield host_checks.check_mlflow_here()
    else:
        async for finding in check_mlflow(settings):
            yield finding
    if settings.redis_url is not None:
        yield await _redis(settings.redis_url)
    for finding in host_checks.check_ports(settings):
        yield finding


def _has_attestor(settings: Settings) -> bool:
    return any((settings.attestor_key, settings.attestor_key_file, settings.attestor_keystore))


def _completed(settings: Settings, directory: DataDirectory) -> Settings:
    """With what `serve` would find in its data directory, as far as it is there already."""
    found: dict[str, object] = {}
    url, pepper = directory.database_url(), directory.known_pepper()
    if settings.database_url is None:
        found["database_url"] = SecretStr(url) if url else None
    if settings.key_pepper is None:
        found["key_pepper"] = SecretStr(pepper) if pepper else None
    if not _has_attestor(settings) and os.access(directory.attestor_key, os.F_OK):
        found["attestor_key_file"] = directory.attestor_key
    return settings.model_copy(update=found)


def _pepper(settings: Settings, completed: Settings, directory: DataDirectory) -> Finding:
    if settings.key_pepper is not None:
        return ok("pepper", "HOKUSAI_KEY_PEPPER is set")
    # A database that others may share must not depend on a file of this machine.
    say_so = ok if settings.database_url is None else warning
    if completed.key_pepper is not None:
        return say_so("pepper", f"HOKUSAI_KEY_PEPPER is not set: that of {directory.path} is used")
    if os.access(directory.path / "postgres", os.F_OK):
        return problem(
            "pepper",
            f"missing in {directory.path}, and without it no API key there works: put it back, or "
            "set HOKUSAI_KEY_PEPPER to what it was",
        )
    return say_so("pepper", f"HOKUSAI_KEY_PEPPER is not set: `serve` makes one in {directory.path}")


def _attestor(
    settings: Settings, completed: Settings, directory: DataDirectory
) -> tuple[Attestor | None, Finding]:
    say_so = ok if settings.database_url is None or _has_attestor(settings) else warning
    if not _has_attestor(completed):
        text = f"HOKUSAI_ATTESTOR_KEY is not set: `serve` makes one in {directory.path}"
        return None, say_so("attestor", text)
    try:
        attestor = Attestor.from_settings(completed)
    except StartupError as error:
        return None, problem("attestor", str(error))
    text = f"signs as {attestor.address}"
    if not _has_attestor(settings):
        text += f" with the key in {directory.path}, since HOKUSAI_ATTESTOR_KEY is not set"
    return attestor, say_so("attestor", text)


async def _redis(url: SecretStr) -> Finding:
    try:
        counter = RedisCounter(url.get_secret_value(), share=1)
    except StartupError as error:
        return problem("Redis", str(error))
    try:
        await counter.ping()
    except TimeoutError:
        why = f"no answer within {REDIS_SECONDS:.0f} s"
    except (RedisError, OSError) as error:
        # Their messages may repeat what was sent, and so a password.
        why = type(error).__name__
    else:
        return ok("Redis", f"answers at {counter.address}")
    finally:
        await counter.close()
    return problem(
        "Redis",
        f"cannot be used at {counter.address}: {why}; start it, or correct HOKUSAI_REDIS_URL. "
        "Until then each process counts its part of the limits by itself",
    )


def _summary(problems: int, warned: int) -> str:
    if problems:
        return f"{problems} {'problem' if problems == 1 else 'problems'}: see above what to do."
    if warned:
        return "The gateway could serve; the warnings are worth a look."
    return "All is well."
