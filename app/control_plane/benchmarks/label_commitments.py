"""Labels that several benchmarks have in common, as far as equal commitments to them show it.

A commitment hides the labels by its salt. Equal ones have equal labels and an equal salt, so that
who can open one can open the other. Equal labels under different salts show nowhere.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.benchmarks.models import Benchmark, LabelRelease
from app.core.errors import ConflictError, LabelsReleasedError


async def find_release(session: AsyncSession, commitment: str) -> LabelRelease | None:
    """The first release of the labels of a commitment, by whichever benchmark has it."""
    query = (
        select(LabelRelease)
        .join(Benchmark, Benchmark.benchmark_id == LabelRelease.benchmark_id)
        .where(Benchmark.label_commitment == commitment)
        .order_by(LabelRelease.log_index)
        .limit(1)
    )
    return await session.scalar(query)


async def require_usable(session: AsyncSession, commitment: str, tenant: str) -> None:
    """Check that a tenant can register a benchmark with a commitment to labels.

    It can have several with the same one, such as after a mistake. Raises ConflictError for one
    that another tenant has, from which it was copied, and LabelsReleasedError.
    """
    other = select(Benchmark.benchmark_id).where(
        Benchmark.label_commitment == commitment, Benchmark.tenant != tenant
    )
    if await session.scalar(other.limit(1)) is not None:
        raise ConflictError(
            "A benchmark of another tenant has this label_commitment. Commit to your labels with "
            "a salt of your own."
        )
    released = await find_release(session, commitment)
    if released is not None:
        raise LabelsReleasedError(
            f"The labels of this label_commitment were released with {released.benchmark_id}, so "
            "predictions on them prove nothing any more. Register a benchmark with labels that "
            "nobody has seen."
        )
