"""`hokusai-gateway doctor`: runs all checks and prints their results."""

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
from app.cli.doctor.result import CheckResult, Level, ok, problem, warning
from app.control_plane.attestations import eas
from app.control_plane.attestations.signing_key import Attestor, has_attestor_key
from app.control_plane.minting.attestor_registry import AttestorRegistry
from app.control_plane.minting.chain_registry import ChainRegistry
from app.control_plane.minting.model_heads import ModelHeads
from app.control_plane.minting.signer_set import SignerSet
from app.control_plane.minting.signers import Signers
from app.core.errors import ChainUnavailableError, StartupError
from app.core.settings import Settings, load_settings
from app.core.unknown_settings import unknown_variables
from app.standalone.console import write_line
from app.standalone.data_directory import DataDirectory
from app.telemetry.logs import configure_logs


def run_checks(environment: Mapping[str, str]) -> bool:
    """Print a line for each check as soon as it is done, and then a summary.

    The checks start and change nothing. Returns whether there was no problem; raises StartupError
    where a setting is invalid.
    """
    settings = load_settings()
    # Warnings would repeat what the lines say.
    configure_logs(settings.model_copy(update={"log_level": "error"}))
    return asyncio.run(_run(settings, environment))


async def _run(settings: Settings, environment: Mapping[str, str]) -> bool:
    problems = warnings = 0
    async for result in _results(settings, environment):
        write_line(str(result))
        problems += result.level is Level.PROBLEM
        warnings += result.level is Level.WARNING
    write_line("")
    write_line(_summary(problems, warnings))
    return not problems


async def _results(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[CheckResult]:
    yield ok("settings", "valid")
    for line in unknown_variables(environment):
        yield warning("settings", line.removeprefix("warning: "))
    for risk in settings.risks:
        yield warning("settings", risk)
    directory = DataDirectory(settings.data_dir)
    completed = _completed(settings, directory)
    required = (settings.database_url, settings.mlflow_url, settings.key_pepper)
    if None in required or not has_attestor_key(settings):
        yield host_checks.check_directory(directory)
    if None in (settings.database_url, settings.mlflow_url):
        yield host_checks.check_disk(directory)
    yield _pepper(settings, completed, directory)
    attestor, result = _attestor(settings, completed, directory)
    yield result
    if settings.database_url is None:
        yield host_checks.check_embedded_postgres(directory)
    direct_url = settings.database_direct_url
    if completed.database_url is not None:
        check = PostgreSQLCheck(
            url=completed.database_url.get_secret_value(),
            direct_url=direct_url.get_secret_value() if direct_url else None,
            started_here=settings.database_url is None,
            peppers=Peppers.from_settings(completed) if completed.key_pepper else None,
            attestor=attestor,
            retired_attestors=settings.retired_attestors,
        )
        async for result in check.run():
            yield result
    if settings.mlflow_url is None:
        yield host_checks.check_child_mlflow()
    else:
        async for result in check_mlflow(settings):
            yield result
    if settings.redis_url is not None:
        yield await _redis(settings.redis_url)
    if settings.rpc_url is not None:
        result = await _chain(settings)
        yield result
        is_asked = result.level is Level.OK and settings.verifying_contract != eas.ZERO_ADDRESS
        if attestor is not None and is_asked:
            yield await _contract_attestors(settings, attestor.address)
    for result in host_checks.check_ports(settings):
        yield result


def _completed(settings: Settings, directory: DataDirectory) -> Settings:
    """The settings, completed with what the data directory of `serve` contains already."""
    found: dict[str, object] = {}
    url, pepper = directory.read_database_url(), directory.read_pepper()
    if settings.database_url is None:
        found["database_url"] = SecretStr(url) if url else None
    if settings.key_pepper is None:
        found["key_pepper"] = SecretStr(pepper) if pepper else None
    if not has_attestor_key(settings) and os.access(directory.attestor_key_file, os.F_OK):
        found["attestor_key_file"] = directory.attestor_key_file
    return settings.model_copy(update=found)


def _pepper(settings: Settings, completed: Settings, directory: DataDirectory) -> CheckResult:
    if settings.key_pepper is not None:
        return ok("pepper", "HOKUSAI_KEY_PEPPER is set")
    # Other gateways may use the configured database, and they lack a file on this machine.
    ok_or_warning = ok if settings.database_url is None else warning
    if completed.key_pepper is not None:
        return ok_or_warning(
            "pepper", f"HOKUSAI_KEY_PEPPER is not set: the one in {directory.path} is used"
        )
    if os.access(directory.path / "postgres", os.F_OK):
        return problem(
            "pepper",
            f"missing in {directory.path}, and without it no API key of that data directory works: "
            "restore the file, or set HOKUSAI_KEY_PEPPER to what it contained",
        )
    return ok_or_warning(
        "pepper", f"HOKUSAI_KEY_PEPPER is not set: `serve` creates one in {directory.path}"
    )


def _attestor(
    settings: Settings, completed: Settings, directory: DataDirectory
) -> tuple[Attestor | None, CheckResult]:
    ok_or_warning = ok if settings.database_url is None or has_attestor_key(settings) else warning
    if not has_attestor_key(completed):
        text = f"HOKUSAI_ATTESTOR_KEY is not set: `serve` creates one in {directory.path}"
        return None, ok_or_warning("attestor", text)
    try:
        attestor = Attestor.from_settings(completed)
    except StartupError as error:
        return None, problem("attestor", str(error))
    text = f"signs as {attestor.address}"
    if not has_attestor_key(settings):
        text += f" with the key in {directory.path}, since HOKUSAI_ATTESTOR_KEY is not set"
    return attestor, ok_or_warning("attestor", text)


async def _redis(url: SecretStr) -> CheckResult:
    try:
        counter = RedisCounter(url.get_secret_value(), processes=1)
    except StartupError as error:
        return problem("Redis", str(error))
    try:
        await counter.check()
    except TimeoutError:
        reason = f"no response within {REDIS_SECONDS:.0f} s"
    except (RedisError, OSError) as error:
        # Not the message: it may quote the command that was sent, and so a password.
        reason = type(error).__name__
    else:
        return ok("Redis", f"counts at {counter.address}")
    finally:
        await counter.close()
    return problem(
        "Redis",
        f"cannot be used at {counter.address}: {reason}; start it, or correct HOKUSAI_REDIS_URL. "
        "Until then each process enforces its share of the limits alone",
    )


async def _chain(settings: Settings) -> CheckResult:
    registry, heads = ChainRegistry.from_settings(settings), ModelHeads.from_settings(settings)
    try:
        await registry.check_contract()
        await heads.check_contracts()
    except ChainUnavailableError as error:
        return problem(
            "chain",
            f"{error.message} Until then no model number is bound, no mint request signed, and no "
            "wallet that is a contract can sign in",
        )
    finally:
        await registry.close()
        await heads.close()
    return ok("chain", f"a node of chain {settings.chain_id} with the ModelRegistry")


async def _contract_attestors(settings: Settings, own: str) -> CheckResult:
    """Whether the contract has whom the settings name. own: the gateway's address."""
    signers = Signers.from_settings(settings, own)
    registry = AttestorRegistry.from_settings(settings, signers.addresses)
    try:
        found = await SignerSet.read(signers, registry)
    except ChainUnavailableError as error:
        return problem("attestors", f"{error.message} Until then no mint request is signed")
    finally:
        await registry.close()
    if found.disagreement is not None:
        return problem("attestors", f"{found.disagreement} Until then no mint request is signed")
    unknown = sorted(one for one in signers.further if not found.counts(one))
    if unknown:
        return warning(
            "attestors",
            f"HOKUSAI_MINT_SIGNERS names {', '.join(unknown)}, whom the contract does not have as "
            "an attestor: remove it, or have it added",
        )
    return ok("attestors", f"the contract knows them, and needs {found.required} signatures")


def _summary(problems: int, warnings: int) -> str:
    if problems == 1:
        return "1 problem: its line says what to do."
    if problems:
        return f"{problems} problems: their lines say what to do."
    if warnings:
        return "No problems: the gateway could serve. Read the warnings."
    return "No problems: the gateway could serve."
