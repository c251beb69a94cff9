"""All errors and warnings of the SDK.

```text
HokusaiError
├── ConfigurationError          the gateway's URL or another setting is missing or unusable
│   └── CredentialError         there is no credential, or it is unusable
├── InputError                  an argument that the SDK itself rejects (also a ValueError)
│   ├── DocumentError           a document to verify that cannot be read
│   ├── MetricError             a metric that is missing or is not a finite number
│   ├── ModelTypeError          a model whose MLflow flavour cannot be detected (also a TypeError)
│   └── ProofError              a proof that does not hold
├── DownloadError               files of a model that cannot be had, or are not those listed
├── UnreachableError            no response, also after retrying (also a ConnectionError)
├── ResponseError                 a response that no gateway sends, such as a redirect
└── GatewayError                the gateway refused the request or failed
    ├── BadRequestError             400, and any other 4xx
    ├── AuthenticationError         401
    ├── PermissionDeniedError       403
    ├── NotFoundError               404
    ├── ConflictError               409
    │   ├── FilesPendingError
    │   ├── InProgressError
    │   ├── TokenTakenError
    │   └── NotMintableError
    ├── ValidationError             422
    │   ├── ClaimDisagreesError
    │   └── IdempotencyKeyReusedError
    ├── RateLimitedError            429
    └── ServerError                 5xx
```
"""

from __future__ import annotations

from typing import Any, Mapping


class HokusaiError(Exception):
    """Base class of all errors of the SDK."""


class ConfigurationError(HokusaiError):
    """The gateway's URL, or another setting of the caller, is missing or unusable."""


class CredentialError(ConfigurationError):
    """There is no credential for the gateway, or the one found is unusable."""


class InputError(HokusaiError, ValueError):
    """An argument that the SDK rejects before it sends anything."""


class MetricError(InputError):
    """A metric is missing, or is not a finite number."""


class DocumentError(InputError):
    """A document to verify cannot be read: it is missing, too large, too deep or not JSON."""


class ProofError(InputError):
    """A proof does not hold, or is one of a circuit that the caller has not named to trust."""


class ModelTypeError(InputError, TypeError):
    """The MLflow flavour of a model cannot be detected."""


class DownloadError(HokusaiError):
    """The files of a model cannot be downloaded, or are not those that the gateway lists."""


class UnreachableError(HokusaiError, ConnectionError):
    """The gateway sent no response within the time allowed for all attempts together."""


class ResponseError(HokusaiError):
    """The response is not one that a gateway sends, such as a redirect or an HTML page.

    The URL is wrong, or a proxy on the way responded in the gateway's place; or what is shown of a
    benchmark differs from its entry in the log.
    """


class GatewayError(HokusaiError):
    """The gateway refused the request, or failed while handling it.

    Attributes:
        status: The HTTP status.
        reason: A stable identifier of the cause, for programs, such as `token_taken`. The
            gateway's docs/errors.md lists all of them.
        message: The cause in words, for people.
        request_id: The id of the request in the gateway's logs, or None.
        problem: The whole problem document (RFC 9457). For some reasons it has further members,
            such as `problems` or `disagreements`.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        """Take the members of a problem document, each of which may be missing.

        Args:
            status: The HTTP status of the response.
            problem: The body of the response.
        """
        self.status = status
        self.problem = dict(problem)
        self.reason = str(problem.get("reason") or f"http_{status}")
        self.message = str(problem.get("message") or f"The gateway responded with status {status}.")
        request_id = problem.get("request_id")
        self.request_id = request_id if isinstance(request_id, str) else None
        super().__init__(status, problem)

    def __str__(self) -> str:
        details = f"{self.status} {self.reason}"
        if self.request_id is not None:
            details += f", request {self.request_id}"
        return f"{self.message} ({details})"


class BadRequestError(GatewayError):
    """400, or another 4xx that has no class of its own."""


class AuthenticationError(GatewayError):
    """401: the credential is unknown, revoked or expired."""


class PermissionDeniedError(GatewayError):
    """403: the credential is valid, but lacks the permission for this request."""


class NotFoundError(GatewayError):
    """404: nothing has that id, or it is not visible to the caller's tenant."""


class ConflictError(GatewayError):
    """409: the resource exists already, or its state does not allow the request."""


class InProgressError(ConflictError):
    """409 `in_progress`: the gateway was still handling the same request when waiting ended."""


class FilesPendingError(ConflictError):
    """409 `files_pending`: the gateway was still reading the model's files when waiting ended."""


class TokenTakenError(ConflictError):
    """409 `token_taken`: the token id belongs to another tenant."""


class NotMintableError(ConflictError):
    """409 `not_mintable`, `improvement_too_small` or `model_number_not_bound`.

    No tokens can be minted for it; the message says why.
    """


class ValidationError(GatewayError):
    """422: a field is missing or invalid; `problem["problems"]` lists all such fields."""


class ClaimDisagreesError(ValidationError):
    """422 `claim_disagrees`: a metric of the request differs from MLflow's.

    `problem["disagreements"]` has both numbers for each such metric.
    """


class IdempotencyKeyReusedError(ValidationError):
    """422 `idempotency_key_reused`: the key was used before, for a different request."""


# What helps against `rate_limited`: one request for a thousand values instead of one for each.
BATCHING_HINT = (
    "To log with fewer requests, set MLFLOW_ENABLE_ASYNC_LOGGING=true and "
    "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS=3, or log inside ExperimentManager.start_experiment, "
    "which does that."
)


class RateLimitedError(GatewayError):
    """429, and the wait it asks for is longer than the client may wait.

    The message says what helps if requests that log values may be the cause.
    """

    def __str__(self) -> str:
        text = super().__str__()
        logs = self.reason == "rate_limited" and "MLFLOW_ENABLE_ASYNC_LOGGING" not in text
        return f"{text} {BATCHING_HINT}" if logs else text


class ServerError(GatewayError):
    """5xx, also after retrying where a retry was safe."""


_BY_REASON: dict[str, type[GatewayError]] = {
    "in_progress": InProgressError,
    "files_pending": FilesPendingError,
    "token_taken": TokenTakenError,
    "not_mintable": NotMintableError,
    "improvement_too_small": NotMintableError,
    "model_number_not_bound": NotMintableError,
    "mint_evidence_missing": NotMintableError,
    "improvement_not_accepted": NotMintableError,
    "baseline_not_head": NotMintableError,
    "contract_refuses": NotMintableError,
    "mint_request_incomplete": NotMintableError,
    "claim_disagrees": ClaimDisagreesError,
    "idempotency_key_reused": IdempotencyKeyReusedError,
}
_BY_STATUS: dict[int, type[GatewayError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: ValidationError,
    429: RateLimitedError,
}


def gateway_error(status: int, problem: Mapping[str, Any]) -> GatewayError:
    """Build the error for a response of the gateway.

    Args:
        status: The HTTP status, 400 or above.
        problem: The problem document, or an empty mapping.

    Returns:
        An instance of the most specific subclass: by `reason`, or else by status.
    """
    fallback = ServerError if status >= 500 else BadRequestError
    by_status = _BY_STATUS.get(status, fallback)
    return _BY_REASON.get(str(problem.get("reason")), by_status)(status, problem)


class HokusaiWarning(UserWarning):
    """Base class of all warnings of the SDK."""


class UnsignedAttestationWarning(HokusaiWarning):
    """No gateway could be reached, so an attestation carries no signature."""


class InsecureConnectionWarning(HokusaiWarning):
    """A credential is sent over unencrypted HTTP to another machine."""


class RegistrationWarning(HokusaiWarning):
    """The gateway accepted a registration, and reports something to be checked."""


class FlavorWarning(HokusaiWarning):
    """A model was logged with a more general flavour than that of its own library."""


__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "ClaimDisagreesError",
    "ConfigurationError",
    "ConflictError",
    "CredentialError",
    "DocumentError",
    "DownloadError",
    "FilesPendingError",
    "FlavorWarning",
    "GatewayError",
    "HokusaiError",
    "HokusaiWarning",
    "IdempotencyKeyReusedError",
    "InProgressError",
    "InputError",
    "InsecureConnectionWarning",
    "MetricError",
    "ModelTypeError",
    "NotFoundError",
    "NotMintableError",
    "PermissionDeniedError",
    "ProofError",
    "RateLimitedError",
    "RegistrationWarning",
    "ResponseError",
    "ServerError",
    "TokenTakenError",
    "UnreachableError",
    "UnsignedAttestationWarning",
    "ValidationError",
]
