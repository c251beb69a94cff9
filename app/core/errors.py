"""Every way in which the gateway refuses or fails, and the one shape in which it says so.

The shape is RFC 9457 `application/problem+json`. Its extension members `error_code` and `message`
are MLflow's own (`mlflow.exceptions.RestException` reads them), so a stock MLflow client raises a
readable `MlflowException` whatever part of the gateway refused it.
"""

import json
from collections.abc import Sequence
from http.client import responses
from typing import Any, ClassVar

from app.core.redaction import redact

PROBLEM = b"application/problem+json"

Headers = Sequence[tuple[bytes, bytes]]


class GatewayError(Exception):
    """The root of the tree: what went wrong, and what the caller can do about it.

    Subclasses fix `status` (HTTP), `error_code` (a name that MLflow's client knows) and `reason`
    (our own stable, finer name, which programs can tell apart; listed in docs/errors.md).
    """

    status: int = 500
    error_code: str = "INTERNAL_ERROR"
    reason: ClassVar[str] = "internal_error"
    # True where the request's body may be unread: the connection cannot carry another request.
    closes: ClassVar[bool] = False

    def __init__(
        self, message: str, *, headers: Headers = (), extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.headers = tuple(headers)
        self.extra = extra or {}

    def body(self, request_id: str) -> bytes:
        """The problem document as UTF-8 JSON."""
        document = json.dumps(
            {
                "type": f"urn:hokusai:problem:{self.reason}",
                "title": responses.get(self.status, "Error"),
                "status": self.status,
                "detail": self.message,
                "error_code": self.error_code,
                "message": self.message,
                "reason": self.reason,
                "request_id": request_id,
                **self.extra,
            }
        )
        # Some words are the caller's own, repeated by us or by MLflow.
        return redact(document).encode()


# --- 400: the request itself ---


class BadRequestError(GatewayError):
    status = 400
    error_code = "BAD_REQUEST"
    reason = "bad_request"


class MalformedRequestError(BadRequestError):
    """The request breaks a rule of HTTP that the edge insists on."""

    reason = "malformed_request"
    closes = True


class AmbiguousCredentialsError(BadRequestError):
    reason = "ambiguous_credentials"


class InvalidParameterError(BadRequestError):
    error_code = "INVALID_PARAMETER_VALUE"
    reason = "invalid_parameter"


class UnprocessableError(GatewayError):
    status = 422
    error_code = "INVALID_PARAMETER_VALUE"
    reason = "validation_failed"


class ClaimDisagreesError(UnprocessableError):
    """A number that was claimed is not the one that MLflow has."""

    reason = "claim_disagrees"


class KeyReusedError(UnprocessableError):
    """An Idempotency-Key that stands for another request."""

    reason = "idempotency_key_reused"


class MethodNotAllowedError(GatewayError):
    status = 405
    error_code = "ENDPOINT_NOT_FOUND"
    reason = "method_not_allowed"


class BodyTooLargeError(GatewayError):
    status = 413
    error_code = "BAD_REQUEST"
    reason = "body_too_large"
    closes = True


class TargetTooLongError(GatewayError):
    status = 414
    error_code = "BAD_REQUEST"
    reason = "target_too_long"
    closes = True


class HeadersTooLargeError(GatewayError):
    status = 431
    error_code = "BAD_REQUEST"
    reason = "headers_too_large"
    closes = True


class SlowRequestError(GatewayError):
    """The client stopped sending in the middle of a body, or reading in the middle of an answer.

    The status is 400, not 408, because the MLflow client repeats a 408.
    """

    status = 400
    error_code = "BAD_REQUEST"
    reason = "slow_request"
    closes = True


# --- 401, 403: who ---


class UnauthenticatedError(GatewayError):
    """No credential, or one that proves nothing."""

    status = 401
    error_code = "UNAUTHENTICATED"
    reason = "credentials_missing"

    def __init__(self, message: str, *, extra: dict[str, Any] | None = None) -> None:
        super().__init__(
            message, headers=[(b"www-authenticate", b'Bearer realm="hokusai"')], extra=extra
        )


class InvalidKeyError(UnauthenticatedError):
    reason = "key_invalid"


class ExpiredKeyError(UnauthenticatedError):
    reason = "key_expired"


class RevokedKeyError(UnauthenticatedError):
    reason = "key_revoked"


class RotatedKeyError(UnauthenticatedError):
    reason = "key_rotated"


class InvalidTokenError(UnauthenticatedError):
    reason = "token_invalid"


class ExpiredTokenError(UnauthenticatedError):
    reason = "token_expired"


class InvalidSignatureError(UnauthenticatedError):
    reason = "signature_invalid"


class StaleSignatureError(UnauthenticatedError):
    reason = "signature_stale"


class SpentSignatureError(UnauthenticatedError):
    reason = "signature_spent"


class PermissionDeniedError(GatewayError):
    status = 403
    error_code = "PERMISSION_DENIED"
    reason = "permission_denied"


class MissingScopeError(PermissionDeniedError):
    reason = "scope_missing"


class AddressNotAllowedError(PermissionDeniedError):
    reason = "address_not_allowed"


class SignInOffError(PermissionDeniedError):
    """Sign-In with Ethereum, at a gateway that does not know under which name it is seen."""

    reason = "sign_in_off"


class RouteRefusedError(PermissionDeniedError):
    """A route of MLflow's that the gateway does not pass on."""

    reason = "route_refused"


# --- 404, 409: what ---


class NotFoundError(GatewayError):
    status = 404
    error_code = "RESOURCE_DOES_NOT_EXIST"
    reason = "not_found"


class UnknownRouteError(GatewayError):
    status = 404
    error_code = "ENDPOINT_NOT_FOUND"
    reason = "unknown_route"


class ConflictError(GatewayError):
    status = 409
    error_code = "RESOURCE_CONFLICT"
    reason = "conflict"


class InProgressError(ConflictError):
    """The same request is being worked on; `retry_after` is in whole seconds."""

    reason = "in_progress"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message, headers=[(b"retry-after", str(retry_after).encode())])


class TokenTakenError(ConflictError):
    """A token id that another tenant holds."""

    reason = "token_taken"


class NotMintableError(ConflictError):
    """The attestation does not entitle to a mint: what it lacks is in the message."""

    reason = "not_mintable"


class SmallImprovementError(NotMintableError):
    """The improvement is under one percentage point (DeltaOne)."""

    reason = "improvement_too_small"


# --- 429: how much ---


class RateLimitedError(GatewayError):
    """Too many requests; `retry_after` is in whole seconds."""

    status = 429
    error_code = "REQUEST_LIMIT_EXCEEDED"
    reason = "rate_limited"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, headers=[(b"retry-after", str(retry_after).encode())])


class TooManyFailuresError(RateLimitedError):
    reason = "too_many_failures"


class TooManyWalletsError(RateLimitedError):
    """Too many new wallets from one address; each of them makes an MLflow workspace for good."""

    reason = "too_many_wallets"


# --- 5xx: ours, or the upstream's ---


class InternalError(GatewayError):
    """A defect of ours. The log has the details under the request id."""

    def __init__(self) -> None:
        super().__init__(
            "The gateway failed in a way it should not. Try again; if it goes on, tell the "
            "operator the request id."
        )


class UpstreamError(GatewayError):
    status = 502
    error_code = "TEMPORARILY_UNAVAILABLE"
    reason = "upstream_failed"


class UpstreamUnreachableError(UpstreamError):
    reason = "upstream_unreachable"


class UpstreamTLSError(UpstreamError):
    reason = "upstream_tls"


class UpstreamProtocolError(UpstreamError):
    """The upstream broke HTTP, or the connection, before its answer was whole."""

    reason = "upstream_protocol"


class MLflowRefusalError(GatewayError):
    """MLflow itself refused the request, or failed on it: its status, code and message."""

    status = 400
    reason = "mlflow_refused"

    def __init__(
        self, status: int, error_code: str, message: str, *, headers: Headers = ()
    ) -> None:
        super().__init__(message, headers=headers)
        self.status = status
        self.error_code = error_code


class UpstreamTimeoutError(UpstreamError):
    status = 504
    reason = "upstream_read_timeout"


class UnavailableError(GatewayError):
    """Something that the gateway depends on is away; a retry is safe."""

    status = 503
    error_code = "TEMPORARILY_UNAVAILABLE"
    reason = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message, headers=[(b"retry-after", str(retry_after).encode())])


class DatabaseUnavailableError(UnavailableError):
    reason = "database_unavailable"


class UpstreamBusyError(UnavailableError):
    reason = "upstream_busy"


# --- at start ---


class StartupError(Exception):
    """What keeps the gateway from starting, in one line that names the setting to change."""


def _reasons(kind: type[GatewayError]) -> set[str]:
    return {kind.reason}.union(*(_reasons(one) for one in kind.__subclasses__()))


# Every reason that an answer of the gateway's can give.
REASONS = frozenset(_reasons(GatewayError))
