"""Every error that the gateway responds with, as one tree of exceptions, and its one rendering.

An error is rendered as `application/problem+json` (RFC 9457). The extension members `error_code`
and `message` are MLflow's (`mlflow.exceptions.RestException` reads them), so an unmodified MLflow
client raises a readable `MlflowException` for an error of any part of the gateway.

Longer than most files here: it is read as one table, from 400 to 507.
"""

import json
from collections.abc import Sequence
from http.client import responses
from typing import Any, ClassVar

from app.core.redaction import redact, shortened

Headers = Sequence[tuple[bytes, bytes]]
# Characters of a message; a longer one repeats too much of what the caller sent.
MAX_MESSAGE = 8000


class GatewayError(Exception):
    """The base class of all errors that become an HTTP response.

    status: the HTTP status.
    error_code: the name of an error of MLflow's API (`mlflow.protos.databricks_pb2.ErrorCode`).
    reason: the gateway's own name of the error, finer and stable, for programs; docs/errors.md
        lists all of them.
    closes_connection: whether part of the request's body may be unread, so that the connection
        cannot carry another request.
    message: for people; what is wrong, and what to do about it.
    headers: further response headers. retry_after: the value of Retry-After, in whole seconds.
    extra: further members of the problem document.
    """

    status: int = 500
    error_code: str = "INTERNAL_ERROR"
    reason: ClassVar[str] = "internal_error"
    closes_connection: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        headers: Headers = (),
        retry_after: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.headers = tuple(headers)
        if retry_after is not None:
            self.headers += ((b"retry-after", b"%d" % retry_after),)
        self.extra = extra or {}

    @property
    def fault(self) -> str:
        """What is wrong, without the advice for callers: for operators."""
        return self.message.partition(" Try again")[0]

    def body(self, request_id: str) -> bytes:
        """The problem document as UTF-8 JSON."""
        message = shortened(self.message, MAX_MESSAGE)
        document = json.dumps(
            {
                "type": f"urn:hokusai:problem:{self.reason}",
                "title": responses.get(self.status, "Error"),
                "status": self.status,
                "detail": message,
                "error_code": self.error_code,
                "message": message,
                "reason": self.reason,
                "request_id": request_id,
                **self.extra,
            }
        )
        # The other members may repeat text of the caller too, which may contain a key.
        return redact(document).encode()


def render(
    error: GatewayError, request_id: str, *, closes_connection: bool = False
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of the response to a request that failed.

    closes_connection: whether the server closes the connection after the response. The headers
    that every response has (Date, X-Request-ID, …) are added by the edge.
    """
    body = error.body(request_id)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *error.headers,
    ]
    if closes_connection:
        headers.append((b"connection", b"close"))
    return headers, body


# --- 4xx: the request is malformed or invalid ---


class BadRequestError(GatewayError):
    status = 400
    error_code = "BAD_REQUEST"
    reason = "bad_request"


class MalformedRequestError(BadRequestError):
    """The request violates HTTP (RFC 9110, RFC 9112), or two servers could read it differently."""

    reason = "malformed_request"
    closes_connection = True


class AmbiguousCredentialsError(BadRequestError):
    """The request has more than one credential."""

    reason = "ambiguous_credentials"


class InvalidParameterError(BadRequestError):
    """A value of the request cannot be parsed, or is not allowed on this route."""

    error_code = "INVALID_PARAMETER_VALUE"
    reason = "invalid_parameter"


class UnprocessableError(GatewayError):
    """The request is well-formed, but a field of it is missing or invalid."""

    status = 422
    error_code = "INVALID_PARAMETER_VALUE"
    reason = "validation_failed"


class UnknownSignerError(UnprocessableError):
    """A signature on a mint request is by none of the attestors that HOKUSAI_MINT_SIGNERS names."""

    reason = "signer_unknown"


class ClaimDisagreesError(UnprocessableError):
    """A metric in the request differs from the value that MLflow has recorded."""

    reason = "claim_disagrees"


class ProofRefusedError(UnprocessableError):
    """A proof does not hold, or not for what is to be attested."""

    reason = "proof_refused"


class KeyReusedError(UnprocessableError):
    """The Idempotency-Key was used before, with a different request."""

    reason = "idempotency_key_reused"


class MethodNotAllowedError(GatewayError):
    status = 405
    error_code = "ENDPOINT_NOT_FOUND"
    reason = "method_not_allowed"


class BodyTooLargeError(GatewayError):
    status = 413
    error_code = "BAD_REQUEST"
    reason = "body_too_large"
    closes_connection = True


class TargetTooLongError(GatewayError):
    status = 414
    error_code = "BAD_REQUEST"
    reason = "target_too_long"
    closes_connection = True


class HeadersTooLargeError(GatewayError):
    status = 431
    error_code = "BAD_REQUEST"
    reason = "headers_too_large"
    closes_connection = True


class SlowRequestError(GatewayError):
    """The client sent its request, or read the response, too slowly.

    The status is 400 and not 408, because the MLflow client retries a 408.
    """

    status = 400
    error_code = "BAD_REQUEST"
    reason = "slow_request"
    closes_connection = True


# --- 401, 403: the caller is not authenticated, or not allowed to do this ---


class UnauthenticatedError(GatewayError):
    """The request has no credential. Subclasses: its credential is not valid."""

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


class SessionEndedError(UnauthenticatedError):
    """The request's cookie is that of a session that has ended, or that never existed."""

    reason = "session_ended"


class InvalidLinkError(UnauthenticatedError):
    """The sign-in link does not exist, was used, or is too old."""

    reason = "link_invalid"


class InvalidSignatureError(UnauthenticatedError):
    reason = "signature_invalid"


class ContractWalletError(UnauthenticatedError):
    """The signature is a contract wallet's, and HOKUSAI_RPC_URL is not set to ask its contract."""

    reason = "contract_wallets_off"


class StaleSignatureError(UnauthenticatedError):
    """The signed message is older than allowed, or dated too far ahead."""

    reason = "signature_stale"


class SpentSignatureError(UnauthenticatedError):
    """The signed message, or its nonce, was used before."""

    reason = "signature_spent"


class PermissionDeniedError(GatewayError):
    status = 403
    error_code = "PERMISSION_DENIED"
    reason = "permission_denied"


class MissingScopeError(PermissionDeniedError):
    reason = "scope_missing"


class AddressNotAllowedError(PermissionDeniedError):
    """The client's address is outside the networks that the API key is restricted to."""

    reason = "address_not_allowed"


class TenantDisabledError(PermissionDeniedError):
    """An admin has disabled the caller's tenant."""

    reason = "tenant_disabled"


class QuotaExceededError(PermissionDeniedError):
    """The tenant has as many of something as it may have."""

    error_code = "QUOTA_EXCEEDED"
    reason = "quota_exceeded"


class SignInDisabledError(PermissionDeniedError):
    """Sign-In with Ethereum is disabled: HOKUSAI_PUBLIC_URL is not set."""

    reason = "sign_in_off"


class OtherOriginError(PermissionDeniedError):
    """A browser sent the cookie of a session with a request that no page of the gateway made."""

    reason = "other_origin"


class PlainHTTPError(PermissionDeniedError):
    """Signing in over plain HTTP, where others can read the credential and the session."""

    reason = "plain_http"


class ApprovalMissingError(PermissionDeniedError):
    """The holder of the token has not approved that another tenant's improvement is minted."""

    reason = "approval_missing"


class RouteRefusedError(PermissionDeniedError):
    """A route of MLflow that the gateway does not forward."""

    reason = "route_refused"


# --- 404, 409: the resource does not exist, or is in another state ---


class NotFoundError(GatewayError):
    """The resource does not exist, or belongs to another tenant."""

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
    """A request with the same Idempotency-Key is being processed."""

    reason = "in_progress"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class SessionChangedError(ConflictError):
    """The page that sent a form belongs to another session than the browser has now."""

    reason = "session_changed"


class RegistrationGivenUpError(ConflictError):
    """The registration failed lastingly, and no gateway continues it."""

    reason = "registration_given_up"


class TokenTakenError(ConflictError):
    """The token id belongs to another tenant, or is reserved."""

    reason = "token_taken"


class DeletedInMLflowError(ConflictError):
    """The run, version or logged model was deleted in MLflow, so that nothing can be witnessed."""

    reason = "deleted_in_mlflow"


class MetricsChangedError(ConflictError):
    """MLflow has other values of metrics than the registration. `extra` shows both."""

    reason = "metrics_changed"


class FilesDifferError(ConflictError):
    """The files of a model in MLflow are not those that its registration lists."""

    reason = "files_differ"


class FilesChangedError(ConflictError):
    """The files of a model in MLflow are not those any more that the gateway read."""

    reason = "files_changed"


class FilesNotWitnessedError(ConflictError):
    """The gateway has not read the model's files in MLflow; the message says why."""

    reason = "files_not_witnessed"


class NotWitnessedError(ConflictError):
    """A metric that counts was given, and not seen in MLflow."""

    reason = "not_witnessed"


class ModelWithdrawnError(ConflictError):
    """The registration of a model was withdrawn, and nothing builds on it any more."""

    reason = "model_withdrawn"


class AttestationRevokedError(ConflictError):
    """The attestation was revoked, so that no bundle of it is made any more."""

    reason = "attestation_revoked"


class CommittedOtherwiseError(ConflictError):
    """A model's predictions on a benchmark are committed already, and not to this."""

    reason = "committed_otherwise"


class PredictionsMissingError(ConflictError):
    """The predictions of a model on a benchmark have to be in the log first."""

    reason = "predictions_missing"


class FilesPendingError(ConflictError):
    """The gateway has not read the files of a model yet."""

    reason = "files_pending"


class LabelsReleasedError(ConflictError):
    """The labels of a benchmark were released, so that predictions on it prove nothing."""

    reason = "labels_released"


class NotMintableError(ConflictError):
    """The attestation does not qualify for a mint; the message says what is missing."""

    reason = "not_mintable"


class UnboundTokenError(NotMintableError):
    """The token id has no model number on the chain, or another one than the request names."""

    reason = "model_number_not_bound"


class SmallImprovementError(NotMintableError):
    """The improvement is less than one percentage point (DeltaOne)."""

    reason = "improvement_too_small"


class MintEvidenceMissingError(NotMintableError):
    """What the mint rests on is missing: witnessed files, or an evaluation on a benchmark.

    `missing` lists what, and how each is obtained.
    """

    reason = "mint_evidence_missing"


class NotAcceptedError(NotMintableError):
    """The evaluation on the benchmark does not accept the improvement (`acceptance` says why)."""

    reason = "improvement_not_accepted"


class OtherHeadError(NotMintableError):
    """The chain has other weights as the model's newest than those of the baseline."""

    reason = "baseline_not_head"


class ContractRefusesError(NotMintableError):
    """The contract would refuse the mint, or mint nothing, at this moment."""

    reason = "contract_refuses"


class IncompleteMintRequestError(NotMintableError):
    """The mint request needs more signatures before it can be sent."""

    reason = "mint_request_incomplete"


# --- 429: too many requests ---


class RateLimitedError(GatewayError):
    """The principal, or the anonymous client address, has used up its limit."""

    status = 429
    error_code = "REQUEST_LIMIT_EXCEEDED"
    reason = "rate_limited"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)


class TooManyFailuresError(RateLimitedError):
    """Too many requests from one address failed authentication."""

    reason = "too_many_failures"


class TooManyWalletsError(RateLimitedError):
    """Too many new wallets from one address. Each creates an MLflow workspace permanently."""

    reason = "too_many_wallets"


class TooManyPipelinedError(RateLimitedError):
    """Too many requests were sent on one connection without waiting for the responses."""

    reason = "too_many_pipelined"
    closes_connection = True


class TooManyDocumentsError(RateLimitedError):
    """One address has more documents in the gateway's memory than its share of it."""

    reason = "too_many_documents"
    closes_connection = True


class TooManyCreationsError(RateLimitedError):
    """Wallets at one address have created too much within an hour."""

    reason = "too_many_creations"


# --- 5xx: the gateway or MLflow failed ---


class InternalError(GatewayError):
    """An internal error of the gateway. The log has the details under the request id."""

    def __init__(self) -> None:
        super().__init__(
            "The gateway failed with an internal error. Try again; if it happens again, report "
            "the request id to the operator."
        )


class UpstreamError(GatewayError):
    """MLflow failed, or its response cannot be used."""

    status = 502
    error_code = "TEMPORARILY_UNAVAILABLE"
    reason = "upstream_failed"


class UpstreamMisconfiguredError(UpstreamError):
    """MLflow refuses the gateway itself, such as its Host header."""

    reason = "upstream_misconfigured"


class UpstreamCredentialError(UpstreamMisconfiguredError):
    """MLflow does not accept the gateway's own credential, or allows it too little."""

    reason = "upstream_credential_refused"


class UpstreamStorageFullError(UpstreamError):
    """MLflow's disk or its database is full.

    Not a 5xx that MLflow's client repeats: it would wait minutes before it shows the message.
    """

    status = 507
    error_code = "RESOURCE_EXHAUSTED"
    reason = "upstream_storage_full"


class UpstreamUnreachableError(UpstreamError):
    reason = "upstream_unreachable"


class UpstreamTLSError(UpstreamError):
    reason = "upstream_tls"


class UpstreamProtocolError(UpstreamError):
    """MLflow violated HTTP, or closed the connection before its response was complete."""

    reason = "upstream_protocol"


class MLflowRefusalError(GatewayError):
    """MLflow responded with an error: status, error_code and message are MLflow's."""

    status = 400
    reason = "mlflow_refused"

    def __init__(
        self, status: int, error_code: str, message: str, *, headers: Headers = ()
    ) -> None:
        super().__init__(message, headers=headers)
        self.status = status
        self.error_code = error_code


class UpstreamTimeoutError(UpstreamError):
    """MLflow sent nothing for HOKUSAI_UPSTREAM_READ_TIMEOUT."""

    status = 504
    reason = "upstream_timeout"


class UnavailableError(GatewayError):
    """A service that the gateway depends on is unavailable; a retry is safe."""

    status = 503
    error_code = "TEMPORARILY_UNAVAILABLE"
    reason = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class DatabaseUnavailableError(UnavailableError):
    reason = "database_unavailable"


class GatewayBusyError(UnavailableError):
    """The gateway's memory or threads for documents are used up."""

    reason = "gateway_busy"
    closes_connection = True


class UpstreamBusyError(UnavailableError):
    """No connection to MLflow became free within HOKUSAI_UPSTREAM_POOL_TIMEOUT."""

    reason = "upstream_busy"


class ChainUnavailableError(UnavailableError):
    """The Ethereum node of HOKUSAI_RPC_URL failed, or its response cannot be used."""

    reason = "chain_unavailable"


class AttestorsDisagreeError(UnavailableError):
    """Whom the contract has as attestors, and how many it needs, contradicts the settings."""

    reason = "attestors_disagree"


# --- at start ---


class StartupError(Exception):
    """The gateway cannot start. Its message is one line that names the setting to change."""


def _reasons(kind: type[GatewayError]) -> set[str]:
    return {kind.reason}.union(*(_reasons(subclass) for subclass in kind.__subclasses__()))


# Every value that `reason` can have in a response.
REASONS = frozenset(_reasons(GatewayError))
