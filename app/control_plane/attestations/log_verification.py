"""Verifying an attestation with the log at hand: offline checks, and what the log itself holds."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.signing_key_history import known_attestors
from app.control_plane.attestations.verification import CheckResult, verify
from app.control_plane.transparency_log.checkpoint import CheckpointVerifier
from app.control_plane.transparency_log.models import LogEntry
from app.database.engine import Database

_HASH = re.compile(r"[0-9a-f]{64}")


Run = Callable[..., Awaitable[dict[str, CheckResult]]]


async def verify_with_log(
    database: Database, document: Mapping[str, Any], attestor: Attestor, run: Run
) -> dict[str, CheckResult]:
    """The checks of `verification.verify` against all attestors of this database.

    Unlike an offline verifier, this one finds an entry that is not in the log although the log's
    key signed for it, and knows whether the attestation was revoked.

    run: calls a function with its arguments in a thread. Meanwhile no connection is in use.
    """
    async with database.transaction() as session:
        known = await known_attestors(session)
    signers = {attestor.address, *(one.address for one in known)}
    keys = [CheckpointVerifier.parse(one.checkpoint_key) for one in known]
    checks = await run(verify, document, signers, [attestor.checkpoint_signer.verifier, *keys])
    async with database.transaction() as session:
        if checks["inclusion"].ok and not await _is_logged(session, document["log"]):
            # A key that has leaked can sign the checkpoint of a log that does not exist.
            checks["inclusion"] = CheckResult(False, "the log holds another entry there, or none")
        checks["revoked"] = await _check_revocation(session, document)
    return checks


async def _is_logged(session: AsyncSession, inclusion: Mapping[str, Any]) -> bool:
    """Whether the log holds the entry of a document that has passed the check of its inclusion."""
    entry = await session.get(LogEntry, inclusion["index"])
    return entry is not None and entry.text == inclusion["entry"]


async def _check_revocation(session: AsyncSession, document: Mapping[str, Any]) -> CheckResult:
    digest = document.get("hash")
    is_hash = isinstance(digest, str) and _HASH.fullmatch(digest) is not None
    row = await session.get(Attestation, digest) if is_hash else None
    if row is None:
        if document.get("revoked") is not None:
            return CheckResult(False, "the document itself says that it was revoked")
        return CheckResult(None, "this log has no such attestation")
    revocation = await find_revocation(session, row.hash)
    if revocation is None:
        if document.get("revoked") is not None:
            return CheckResult(False, "the document says that it was revoked, and the log does not")
        return CheckResult(True, "it was not revoked")
    at = revocation.at.isoformat()
    return CheckResult(False, f"it was revoked at {at} (entry {revocation.index})")
