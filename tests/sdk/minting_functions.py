"""Minting with the SDK, as functions that run in a process of their own (see user_functions)."""

from typing import Any

from hokusai.core import ModelRegistry
from hokusai.errors import PermissionDeniedError


def mint(model_id: str) -> dict[str, Any]:
    """Have an improvement attested and its mint signed; the reason where that is refused."""
    registry = ModelRegistry()
    attestation = registry.attest(model_id=model_id)
    try:
        return dict(registry.mint_request(attestation.hash))
    except PermissionDeniedError as error:
        return {"reason": error.reason}


def approve(token_id: str, model_id: str) -> int:
    """Approve an improvement, and return the id of the approval."""
    registry = ModelRegistry()
    approval = registry.approve_mint(token_id, model_id=model_id)
    assert [one.id for one in registry.mint_approvals(token=token_id)] == [approval.id]
    return approval.id


def withdraw(approval_id: int) -> bool:
    """Withdraw an approval; whether the response says that it is withdrawn."""
    return ModelRegistry().withdraw_mint_approval(approval_id).withdrawn_at is not None


def message() -> str:
    """The digest of the newest mint request, of which the platform's message is complete."""
    registry = ModelRegistry()
    newest = next(registry.mint_requests(limit=1))
    request = registry.fetch_mint_request(newest.id)
    found = registry.mint_message(newest.id)
    assert found.attester_signatures == request.signatures
    return request.digest
