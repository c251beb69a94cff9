"""Entries that are not about an attestation, as other parts of the gateway add them."""

import asyncio
import secrets
from typing import Any

import httpx
import psycopg2
import pytest
from hokusai.verify import LogExport, verify

from app.control_plane.transparency_log import service
from app.database.engine import Database
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.sql import sql
from tests.support.transparency_log import verified_log


async def append(gateway: RunningGateway, subject: str) -> None:
    assert gateway.settings.database_url is not None
    database = Database(gateway.settings.database_url.get_secret_value(), connections=1)
    try:
        async with database.transaction() as session:
            tree = await service.lock(session)
            await service.append(session, tree, "benchmark", subject, rows=1024)
    finally:
        await database.close()


@pytest.fixture
def subject(gateway: RunningGateway) -> str:
    """What an entry of the kind `benchmark` is about."""
    name = f"benchmark-{secrets.token_hex(4)}"
    asyncio.run(append(gateway, name))
    return name


def test_they_are_in_the_log_and_verifiers_pass_over_them(
    anyone: httpx.Client, attestation: dict[str, Any], subject: str
) -> None:
    checkpoint, entries = verified_log(anyone)
    (index,) = (index for index, entry in enumerate(entries) if subject in entry)
    query = {"start": index, "limit": 1}
    (shown,) = good(anyone.get("/api/attestations/log/entries", params=query))["entries"]
    assert (shown["kind"], shown["attestation"]) == ("benchmark", None)
    assert subject in anyone.get(f"/log?to={index}&limit=1").text
    pages = [good(anyone.get("/api/attestations/log/entries", params={"limit": 1000}))]
    assert checkpoint.size <= pages[0]["tree_size"] <= 1000
    known = good(anyone.get("/.well-known/hokusai-attestor.json"))
    report = verify(attestation, known=known, log=LogExport.read(pages))
    assert report.complete, report.as_dict()


@pytest.mark.parametrize(
    ("kind", "is_named"), [("revoked", False), ("attested", False), ("benchmark", True)]
)
def test_only_the_kinds_about_attestations_name_one(
    gateway: RunningGateway, attestation: dict[str, Any], kind: str, is_named: bool
) -> None:
    named = attestation["hash"] if is_named else None
    with pytest.raises(psycopg2.errors.CheckViolation):
        sql(
            gateway,
            "INSERT INTO attestation_log (index, kind, attestation, text, at) "
            "VALUES (1000000, %s, %s, '{}', now())",
            kind,
            named,
        )
