"""Which error a response becomes, and what the error says."""

from __future__ import annotations

from typing import Any

import pytest

from hokusai import errors
from hokusai.errors import GatewayError, HokusaiError, gateway_error


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "bad_request", errors.BadRequestError),
        (413, "body_too_large", errors.BadRequestError),
        (401, "key_invalid", errors.AuthenticationError),
        (403, "scope_missing", errors.PermissionDeniedError),
        (404, "not_found", errors.NotFoundError),
        (409, "conflict", errors.ConflictError),
        (409, "in_progress", errors.InProgressError),
        (409, "token_taken", errors.TokenTakenError),
        (409, "not_mintable", errors.NotMintableError),
        (409, "improvement_too_small", errors.NotMintableError),
        (422, "validation_failed", errors.ValidationError),
        (422, "claim_disagrees", errors.ClaimDisagreesError),
        (422, "idempotency_key_reused", errors.IdempotencyKeyReusedError),
        (429, "rate_limited", errors.RateLimitedError),
        (500, "internal_error", errors.ServerError),
        (503, None, errors.ServerError),
    ],
)
def test_the_class_depends_on_reason_and_status(
    status: int, reason: str | None, kind: type[GatewayError]
) -> None:
    assert type(gateway_error(status, {"reason": reason})) is kind


def test_it_has_the_members_of_the_problem_document() -> None:
    problem = {"reason": "not_found", "message": "There is none.", "request_id": "r-1", "more": 1}
    error = gateway_error(404, problem)

    assert (error.status, error.reason, error.message) == (404, "not_found", "There is none.")
    assert (error.request_id, error.problem) == ("r-1", problem)
    assert str(error) == "There is none. (404 not_found, request r-1)"


@pytest.mark.parametrize("problem", [{}, {"reason": None, "message": "", "request_id": 7}])
def test_missing_members_have_defaults(problem: dict[str, Any]) -> None:
    error = gateway_error(502, problem)

    assert (error.reason, error.request_id) == ("http_502", None)
    assert str(error) == "The gateway responded with status 502. (502 http_502)"


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name.endswith("Error")])
def test_every_error_is_a_hokusai_error(name: str) -> None:
    assert issubclass(getattr(errors, name), HokusaiError)


def test_errors_are_also_the_builtin_errors_that_callers_expect() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.ModelTypeError, TypeError)
    assert issubclass(errors.UnreachableError, ConnectionError)
    assert issubclass(errors.CredentialError, errors.ConfigurationError)
