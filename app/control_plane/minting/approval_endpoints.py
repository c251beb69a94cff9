"""HTTP endpoints: the approvals with which the holder of a token lets others' work be minted."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, status

from app.access.quotas.service import Quotas
from app.control_plane.minting import approvals
from app.control_plane.minting.schemas import ApprovalFilter, ApprovalRequest, ApprovalView
from app.core.app_state import state_of
from app.rest.dependencies import Attesting, ChangeSession, CurrentActor, Reading, Session
from app.rest.pagination import Page

router = APIRouter(prefix="/api/mint-approvals", tags=["minting"])


@router.post("", status_code=status.HTTP_201_CREATED)
async def approve_mint(
    request: Request,
    body: ApprovalRequest,
    holder: Attesting,
    session: ChangeSession,
    actor: CurrentActor,
) -> ApprovalView:
    """Approve, as the holder of a token, that improvements by other tenants are minted.

    Either one improvement, or one contributor. The same approval again gets the one in force.
    """
    quotas = state_of(request)[Quotas]
    approval = await approvals.approve(session, body, holder, actor, quotas)
    return ApprovalView.model_validate(approval)


@router.get("")
async def list_mint_approvals(
    holder: Reading, session: Session, conditions: Annotated[ApprovalFilter, Query()]
) -> Page[ApprovalView]:
    """List the approvals that the caller's tenant gave, newest first, with the withdrawn ones."""
    rows = await approvals.list_approvals(session, conditions, holder)
    return Page.of(rows, conditions.limit, key=lambda row: row.id, view=ApprovalView.model_validate)


@router.post("/{approval_id}/withdraw")
async def withdraw_mint_approval(
    approval_id: Annotated[int, Path(ge=1, le=2**53)],
    holder: Attesting,
    session: ChangeSession,
    actor: CurrentActor,
) -> ApprovalView:
    """Withdraw an approval; nothing more is signed on it. It stays as a record."""
    return ApprovalView.model_validate(
        await approvals.withdraw(session, approval_id, holder, actor)
    )
