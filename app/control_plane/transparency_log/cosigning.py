"""Gathering cosignatures in the background, so that no request waits for a witness."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app.control_plane.transparency_log import service
from app.control_plane.transparency_log.checkpoint import Checkpoint
from app.control_plane.transparency_log.models import LogWitness
from app.control_plane.transparency_log.signer import LogSigner
from app.control_plane.transparency_log.witnesses import (
    OtherSizeError,
    Witness,
    WitnessClient,
    WitnessError,
)
from app.core.errors import GatewayError
from app.database.engine import Database, now

log = structlog.get_logger()

# Seconds between two looks at the log.
INTERVAL = 5.0
# How long one gateway alone sends checkpoints to a witness; also the pause after a failure.
LEASE = timedelta(seconds=30)
# A cosignature is renewed after this time, although the log has not grown.
RENEWAL = timedelta(hours=1)
# Seconds by which a witness's clock may be ahead.
MAX_AHEAD = 60


@dataclass(frozen=True, slots=True)
class _Cosigned:
    witness: Witness
    line: str
    at: datetime


class Cosigner:
    """Sends the log's checkpoints to its witnesses; one for the process, and one at a time of all.

    What a witness has cosigned is in the database, so that all replicas show it.
    """

    def __init__(self, database: Database, signer: LogSigner, witnesses: Sequence[Witness]) -> None:
        self._database = database
        self._signer = signer
        self._witnesses = {str(one.key): one for one in witnesses}
        self._client = WitnessClient()

    async def close(self) -> None:
        await self._client.close()

    async def run(self) -> None:
        """Look at the log every few seconds, until cancelled."""
        while self._witnesses:
            try:
                await self.run_once()
            except GatewayError as error:
                log.warning("log.cosigning_postponed", reason=error.reason)
            except Exception:
                log.exception("log.cosigning_failed")
            await asyncio.sleep(INTERVAL)

    async def run_once(self) -> None:
        """Gather the cosignatures of the present checkpoint from those that lack it."""
        async with self._database.transaction() as session:
            checkpoint = await self._signer.checkpoint(session)
            states = await session.scalars(select(LogWitness))
            known = {state.witness: state for state in states}
        due = [
            name
            for name in self._witnesses
            if checkpoint.size and _is_due(known.get(name), checkpoint)
        ]
        claimed = await self._claim(due) if due else {}
        if not claimed:
            return
        results = await asyncio.gather(
            *(self._cosign(self._witnesses[name], old, checkpoint) for name, old in claimed.items())
        )
        # All at once, so that a reader sees the cosignatures of one checkpoint together.
        async with self._database.transaction() as session:
            for done in results:
                if done is not None:
                    await session.execute(
                        update(LogWitness)
                        .where(
                            LogWitness.witness == str(done.witness.key),
                            LogWitness.size <= checkpoint.size,
                        )
                        .values(
                            size=checkpoint.size,
                            root=checkpoint.root,
                            line=done.line,
                            at=done.at,
                            asked_until=now(),
                        )
                    )

    async def _claim(self, due: Sequence[str]) -> dict[str, int]:
        """Those witnesses that no other gateway is sending to, each with the size it cosigned."""
        at = now()
        async with self._database.transaction() as session:
            # In a fixed order, so that two gateways cannot deadlock.
            values = [
                {"witness": name, "size": 0, "asked_until": at + LEASE} for name in sorted(due)
            ]
            statement = insert(LogWitness).values(values)
            claimed = await session.execute(
                statement.on_conflict_do_update(
                    index_elements=[LogWitness.witness],
                    set_={"asked_until": statement.excluded.asked_until},
                    where=LogWitness.asked_until <= at,
                ).returning(LogWitness.witness, LogWitness.size)
            )
            return {row.witness: row.size for row in claimed}

    async def _cosign(self, witness: Witness, old: int, checkpoint: Checkpoint) -> _Cosigned | None:
        """The witness's cosignature of a checkpoint; None where it gave none, which is logged."""
        try:
            try:
                return await self._request(witness, old, checkpoint)
            except OtherSizeError as other:
                # It has cosigned more than this database knows, or it is a new one.
                if other.size > checkpoint.size:
                    raise WitnessError("cosigned_a_larger_tree") from None
                return await self._request(witness, other.size, checkpoint)
        except OtherSizeError:
            reason = "size_changed"
        except WitnessError as error:
            reason = error.reason
        except GatewayError as error:
            reason = error.reason
        log.warning("log.not_cosigned", witness=witness.key.name, reason=reason)
        return None

    async def _request(self, witness: Witness, old: int, checkpoint: Checkpoint) -> _Cosigned:
        async with self._database.transaction() as session:
            proof = await service.consistency_proof(session, old, checkpoint.size)
        note = self._signer.sign(checkpoint)
        lines = await self._client.add_checkpoint(witness, old, proof, note)
        found = witness.key.find(checkpoint.body(), lines)
        if found is None:
            raise WitnessError("invalid_cosignature")
        line, at = found
        if at > time.time() + MAX_AHEAD:
            raise WitnessError("time_in_the_future")
        return _Cosigned(witness, line, datetime.fromtimestamp(at, UTC))


def _is_due(state: LogWitness | None, checkpoint: Checkpoint) -> bool:
    if state is None or state.at is None:
        return True
    return state.size < checkpoint.size or state.at < now() - RENEWAL
