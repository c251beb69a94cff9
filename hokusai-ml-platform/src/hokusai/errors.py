"""Every way in which the SDK fails, drawn as a tree.

```text
HokusaiError
├── ConfigurationError          the URL, or something else that the caller set
│   └── CredentialError         no credential, or one that cannot be used
├── InputError                  a value that the SDK itself refuses (also a ValueError)
│   ├── MetricError
│   └── ModelTypeError          a model of no flavour that can be told
├── UnreachableError            no answer, however often it was asked (also a ConnectionError)
├── AnswerError                 an answer that no gateway gives, such as a redirect
└── GatewayError                the gateway refused or failed: its problem document
    ├── BadRequestError             400
    ├── AuthenticationError         401
    ├── PermissionDeniedError       403
    ├── NotFoundError               404
    ├── ConflictError               409
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
    """The root of the tree."""


class ConfigurationError(HokusaiError):
    """Something that the caller set keeps the SDK from working."""


class CredentialError(ConfigurationError):
    """There is no credential, or it cannot be used."""


class InputError(HokusaiError, ValueError):
    """A value that the SDK refuses before it asks the gateway."""


class MetricError(InputError):
    """A metric that is not a finite number, or one that is missing."""


class DocumentError(InputError):
    """What is to be verified cannot be looked at: no JSON, unreadable, too large, too deep."""


class ModelTypeError(InputError, TypeError):
    """A model whose MLflow flavour cannot be told."""


class UnreachableError(HokusaiError, ConnectionError):
    """The gateway gave no answer within the time that was allowed for all attempts."""


class AnswerError(HokusaiError):
    """What answered is not a gateway, or a proxy stands between: a redirect, or no JSON."""


class GatewayError(HokusaiError):
    """The gateway refused the request or failed on it (docs/errors.md of the gateway).

    status: HTTP status. reason: the gateway's own stable name of what happened, for programs.
    message: for people. request_id: what the operator finds it by. problem: the whole document
    (RFC 9457), which has more for some reasons, such as `problems` or `disagreements`.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.reason = str(problem.get("reason") or f"http_{status}")
        self.message = str(problem.get("message") or f"The gateway answered {status}.")
        found = problem.get("request_id")
        self.request_id = found if isinstance(found, str) else None
        super().__init__(status, problem)

    def __str__(self) -> str:
        told = [self.reason]
        if self.request_id is not None:
            told.append(f"request {self.request_id}")
        return f"{self.message} ({self.status} {', '.join(told)})"


class BadRequestError(GatewayError):
    """400, or a 4xx that has no class of its own."""


class AuthenticationError(GatewayError):
    """401: the credential is not known, or its end has passed."""


class PermissionDeniedError(GatewayError):
    """403: the credential is good, and not enough."""


class NotFoundError(GatewayError):
    """404: nothing by that id, or it is somebody else's."""


class ConflictError(GatewayError):
    """409: it is there already, or not in a state for this."""


class InProgressError(ConflictError):
    """409 `in_progress`: the same request was still being worked on when patience ended."""


class TokenTakenError(ConflictError):
    """409 `token_taken`: the token id belongs to another tenant."""


class NotMintableError(ConflictError):
    """409 `not_mintable` or `improvement_too_small`."""


class ValidationError(GatewayError):
    """422: a field is missing or wrong; `problem["problems"]` lists them."""


class ClaimDisagreesError(ValidationError):
    """422 `claim_disagrees`: `problem["disagreements"]` shows both numbers."""


class IdempotencyKeyReusedError(ValidationError):
    """422 `idempotency_key_reused`: the key stands for another request."""


class RateLimitedError(GatewayError):
    """429, and the wait would have been longer than the client's patience."""


class ServerError(GatewayError):
    """5xx, also after the last attempt."""


_BY_REASON: dict[str, type[GatewayError]] = {
    "in_progress": InProgressError,
    "token_taken": TokenTakenError,
    "not_mintable": NotMintableError,
    "improvement_too_small": NotMintableError,
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
    """The error of the tree for a status and the gateway's problem document."""
    fallback = ServerError if status >= 500 else BadRequestError
    kind = _BY_REASON.get(str(problem.get("reason")), _BY_STATUS.get(status, fallback))
    return kind(status, problem)


class HokusaiWarning(UserWarning):
    """The root of what the SDK warns of."""


class UnsignedAttestationWarning(HokusaiWarning):
    """No gateway was in reach, so that an attestation is nobody's word but the caller's."""


class InsecureConnectionWarning(HokusaiWarning):
    """A credential goes over plain HTTP to another machine."""


class RegistrationWarning(HokusaiWarning):
    """The gateway took it, and says that it should be looked at."""


class FlavorWarning(HokusaiWarning):
    """A model was logged without something that could not be had, such as its signature."""


__all__ = [
    "AnswerError",
    "AuthenticationError",
    "BadRequestError",
    "ClaimDisagreesError",
    "ConfigurationError",
    "ConflictError",
    "CredentialError",
    "DocumentError",
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
    "RateLimitedError",
    "RegistrationWarning",
    "ServerError",
    "TokenTakenError",
    "UnreachableError",
    "UnsignedAttestationWarning",
    "ValidationError",
]
