"""Approvals: the holder of a token lets improvements by other tenants be minted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.control_plane.minting.models import MintApproval
from app.control_plane.minting.schemas import ApprovalFilter, ApprovalRequest
from app.control_plane.registry import service as registry
from app.control_plane.registry.models import Model, Token
from app.core.errors import ConflictError, NotFoundError, PermissionDeniedError
from app.core.ethereum import checksum_address
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import now
from app.rest.pagination import decode_number


async def approve(
    session: AsyncSession,
    request: ApprovalRequest,
    principal: Principal,
    actor: Actor,
    quotas: Quotas,
) -> MintApproval:
    """Record an approval, or return the one that is in force already.

    Raises NotFoundError for a token id or a model that does not exist, PermissionDeniedError where
    the principal's tenant does not hold the token, ConflictError for a model that does not improve
    on a model of the token, and what `Quotas.reserve` raises.
    """
    symbol = request.token_id.upper()
    token = await session.get(Token, symbol)
    if token is None:
        raise NotFoundError(f"Nobody has registered the token id {symbol!r}.")
    if token.tenant != principal.tenant:
        raise PermissionDeniedError(
            f"Your tenant does not hold the token id {symbol!r}. Only its holder can approve mint "
            "requests for it."
        )
    if request.model_id is not None:
        await _require_improvement(session, request.model_id, symbol, principal)
    contributor = None if request.contributor is None else checksum_address(request.contributor)
    values = {
        "symbol": symbol,
        "tenant": principal.tenant,
        "model_id": request.model_id,
        "contributor": contributor,
        "created_by": actor.principal,
        "created_at": now(),
    }
    added = insert(MintApproval).values(values).on_conflict_do_nothing().returning(MintApproval)
    approval = await session.scalar(added)
    if approval is None:
        same = select(MintApproval).where(
            _in_force(symbol, principal.tenant),
            MintApproval.model_id.is_not_distinct_from(request.model_id),
            MintApproval.contributor.is_not_distinct_from(contributor),
        )
        return (await session.scalars(same)).one()
    await quotas.reserve(session, actor, principal.tenant, {QuotaKind.APPROVALS: 1})
    audit.record(
        session,
        actor,
        "mint_approval.given",
        str(approval.id),
        principal.tenant,
        token_id=symbol,
        model_id=request.model_id,
        contributor=contributor,
    )
    return approval


async def withdraw(
    session: AsyncSession, approval_id: int, principal: Principal, actor: Actor
) -> MintApproval:
    """Withdraw an approval; a second time changes nothing. The record stays.

    Mint requests that were signed before stay valid until their deadline. Raises NotFoundError for
    one that does not exist, or that another tenant gave.
    """
    approval = await session.scalar(
        select(MintApproval).where(MintApproval.id == approval_id).with_for_update()
    )
    if approval is None or approval.tenant != principal.tenant:
        raise NotFoundError(
            f"Your tenant has given no approval {approval_id}. GET /api/mint-approvals lists those "
            "that it gave."
        )
    if approval.withdrawn_at is None:
        approval.withdrawn_at, approval.withdrawn_by = now(), actor.principal
        audit.record(
            session,
            actor,
            "mint_approval.withdrawn",
            str(approval.id),
            principal.tenant,
            token_id=approval.symbol,
            model_id=approval.model_id,
            contributor=approval.contributor,
        )
        await session.flush()
    return approval


async def list_approvals(
    session: AsyncSession, conditions: ApprovalFilter, principal: Principal
) -> Sequence[MintApproval]:
    """The approvals of a tenant, newest first: one more than the limit if there is."""
    query = (
        select(MintApproval)
        .where(MintApproval.tenant == principal.tenant)
        .order_by(MintApproval.id.desc())
        .limit(conditions.limit + 1)
    )
    if conditions.token is not None:
        query = query.where(MintApproval.symbol == conditions.token.upper())
    if conditions.withdrawn is not None:
        is_withdrawn = MintApproval.withdrawn_at.is_not(None)
        query = query.where(is_withdrawn if conditions.withdrawn else ~is_withdrawn)
    if conditions.cursor is not None:
        query = query.where(MintApproval.id < decode_number(conditions.cursor))
    return (await session.scalars(query)).all()


@dataclass(frozen=True, slots=True)
class Approvals:
    """The approvals that let an improvement be minted. ids: theirs.

    is_of_model: whether the improvement itself is approved, with all that its registration says.
    """

    ids: list[int]
    is_of_model: bool


async def find_approvals(
    session: AsyncSession, token: Token, model_id: str, contributors: Collection[str]
) -> Approvals | None:
    """The approvals by a token's holder that let an improvement be minted.

    One of the improvement itself, or one of each contributor: an approved contributor does not let
    others share in the mint. None where they do not suffice.
    """
    assert token.tenant is not None
    in_force = _in_force(token.symbol, token.tenant)
    of_model = await session.scalar(
        select(MintApproval.id).where(in_force, MintApproval.model_id == model_id)
    )
    if of_model is not None:
        return Approvals([of_model], is_of_model=True)
    ids = (
        await session.scalars(
            select(MintApproval.id)
            .where(in_force, MintApproval.contributor.in_(contributors))
            .order_by(MintApproval.id)
        )
    ).all()
    return Approvals(list(ids), is_of_model=False) if len(ids) == len(contributors) else None


def _in_force(symbol: str, tenant: str) -> ColumnElement[bool]:
    """SQL: the approvals by one holder of a token that are not withdrawn."""
    return (
        (MintApproval.symbol == symbol)
        & (MintApproval.tenant == tenant)
        & MintApproval.withdrawn_at.is_(None)
    )


async def _require_improvement(
    session: AsyncSession, model_id: str, symbol: str, principal: Principal
) -> None:
    model = await registry.require_model(session, model_id, principal)
    root = await session.get(Model, model.root)
    if model.baseline_model_id is None or root is None or root.token != symbol:
        raise ConflictError(
            f"The model {model_id} does not improve on a model that is registered under the token "
            f"id {symbol!r}."
        )
