"""Finding and adding attestations, many with one statement."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import to_json
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.models import Attestation
from app.control_plane.idempotency.service import RequestIdentity
from app.database import direct
from app.database.direct import Write
from app.database.reads import Reads, Statement

# One row for each request, in their order. A subquery for each leads to the index also where the
# statement was planned while the table was small.
_EARLIER = Statement(
    text(
        "select (select array[hash, request_hash] from attestations"
        " where principal = asked.principal and request_key = asked.key)"
        " from unnest(cast(:principals as text[]), cast(:keys as text[]))"
        " with ordinality as asked (principal, key, place) order by place"
    )
)
# The same statements for any number of rows, so that they are prepared only once.
_ADD = (
    "insert into attestations (hash, text, kind, tenant, private, principal, request_key,"
    " request_hash, model_id, run_id, contributors, signature, eas, proof, created_at)"
    " select hash, text, kind, tenant, private, principal, request_key, request_hash, model_id,"
    " run_id, string_to_array(contributors, ','), cast(signature as jsonb), cast(eas as jsonb),"
    " proof, created_at"
    " from unnest(cast(:hash as text[]), cast(:text as text[]), cast(:kind as text[]),"
    " cast(:tenant as text[]), cast(:private as boolean[]), cast(:principal as text[]),"
    " cast(:request_key as text[]), cast(:request_hash as text[]), cast(:model_id as text[]),"
    " cast(:run_id as text[]), cast(:contributors as text[]), cast(:signature as text[]),"
    " cast(:eas as text[]), cast(:proof as text[]), cast(:created_at as timestamptz[]))"
    " as new (hash, text, kind, tenant, private, principal, request_key, request_hash,"
    " model_id, run_id, contributors, signature, eas, proof, created_at)"
    " returning number, contributors"
)
_NAME_CONTRIBUTORS = (
    "insert into attested_contributors (address, number)"
    " select unnest(contributors), number from attested"
)
_PLAIN = (
    "hash",
    "text",
    "kind",
    "tenant",
    "private",
    "principal",
    "request_key",
    "request_hash",
    "model_id",
    "run_id",
    "proof",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class EarlierRequest:
    """A request that got an attestation: the attestation's hash, and that of the request."""

    hash: str
    request_hash: str


async def find_earlier(
    reads: Reads, requests: Sequence[RequestIdentity]
) -> list[EarlierRequest | None]:
    """For each request the one that it repeats, if there is one."""
    rows = await reads.tuples(_EARLIER, **_arrays(requests))
    return [None if found is None else EarlierRequest(*found) for (found,) in rows]


async def find_issued(
    session: AsyncSession, requests: Sequence[RequestIdentity]
) -> dict[tuple[str, str], Attestation]:
    """The attestations that requests got before, by principal and key."""
    found = await direct.run(session, _EARLIER, **_arrays(requests))
    hashes = [one[0] for (one,) in found if one is not None]
    # Few requests are repetitions, and reading objects takes far longer than finding none.
    if not hashes:
        return {}
    rows = await session.scalars(select(Attestation).where(Attestation.hash.in_(hashes)))
    return {(row.principal, row.request_key): row for row in rows}


def _arrays(requests: Sequence[RequestIdentity]) -> dict[str, list[str]]:
    return {
        "principals": [one.principal for one in requests],
        "keys": [one.key for one in requests],
    }


def additions(rows: Sequence[Attestation]) -> list[Write]:
    """What adds attestations, with the addresses that they name."""
    values = {
        **{name: [getattr(row, name) for row in rows] for name in _PLAIN},
        "contributors": [",".join(row.contributors) for row in rows],
        "signature": [to_json(row.signature).decode() for row in rows],
        "eas": [to_json(row.eas).decode() for row in rows],
    }
    return [Write("attested", _ADD, values), Write("named", _NAME_CONTRIBUTORS, {})]
