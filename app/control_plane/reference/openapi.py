"""Completes FastAPI's OpenAPI document: credentials, error responses, and examples."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from app.core import errors
from app.core.errors import GatewayError

Document = dict[str, Any]

# One scheme only: generated clients fill in each one that is listed. The others are described.
SECURITY_SCHEMES: Document = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key or an access token. MLflow's client sends MLFLOW_TRACKING_TOKEN "
        "in this way. The same key is accepted in `X-API-Key`, or as the user name or the password "
        "of `Authorization: Basic`. A wallet may sign each request instead: `X-ETH-Address`; "
        "`X-ETH-Message`, which is `Hokusai API Access - <time in UTC>`; and `X-ETH-Signature`, "
        "its personal_sign (EIP-191) over the message.",
    },
}
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]
TAGS = {
    "auth": "Who calls, and tokens for wallets.",
    "limits": "What is left of the caller's limits.",
    "keys": "The caller's own API keys.",
    "admin": "Keys, tenants and audit, for operators.",
    "models": "Registering models, and reading the registry.",
    "benchmarks": "Committed test sets, and predictions on them.",
    "proofs": "The circuits of zero-knowledge proofs, and their keys.",
    "contributors": "Whose data led to which improvement.",
    "attestations": "Signed attestations, and the log of all of them.",
    "minting": "Requests for the contract that mints tokens.",
    "health": "For probes and monitoring.",
}
# Stands in the document for the URL under which the caller reaches the gateway.
ADDRESS = "gateway.invalid"
# Ids of operations whose function has a name that does not tell what is read or done.
OPERATION_IDS = {
    ("GET", "/api/auth/nonce"): "createNonce",
    ("POST", "/api/auth/token"): "createToken",
    ("POST", "/api/auth/message"): "createSignInMessage",
    ("GET", "/api/auth/whoami"): "getIdentity",
    ("GET", "/api/admin/audit"): "listAuditEvents",
    ("GET", "/api/admin/audit.csv"): "exportAuditEvents",
    ("POST", "/api/models/{model_id}/withdraw"): "withdrawModel",
    ("POST", "/api/attestations"): "issueAttestation",
    ("POST", "/api/attestations/verify"): "verifyAttestation",
    ("GET", "/api/attestations/log"): "getCheckpoint",
    ("GET", "/api/attestations/log/proof"): "getLogProof",
    ("GET", "/api/attestations/log/entries"): "listLogEntries",
    ("GET", "/api/attestations/{digest}"): "getAttestation",
    ("POST", "/api/attestations/{digest}/revoke"): "revokeAttestation",
    ("GET", "/.well-known/hokusai-attestor.json"): "getAttestor",
    ("GET", "/.well-known/hokusai.pub"): "getEnvelopeKey",
    ("GET", "/api/attestations/{digest}/bundle"): "getAttestationBundle",
    ("GET", "/api/models/{model_id}/model.sig"): "getModelSignature",
    ("GET", "/api/models/{model_id}/mlbom.json"): "getModelBillOfMaterials",
    ("GET", "/api/attestations/{digest}/bytes"): "getAttestationBytes",
    ("GET", "/api/contributors/{address}/attestations"): "listContributorAttestations",
    ("GET", "/api/models/{model_id}/files/content"): "getFileContent",
    ("POST", "/api/models/{model_id}/files/read"): "readFilesAgain",
    ("POST", "/api/models/tokenized-registration-events"): "registerTokenizedByEvent",
    ("GET", "/api/proofs/circuits/{circuit}/proving-key"): "getProvingKey",
    ("GET", "/log/checkpoint"): "getCheckpointNote",
    ("GET", "/api/mint-requests/{number}/message"): "getMintMessage",
    ("DELETE", "/api/keys"): "revokeAllOwnKeys",
}
# Up to a period that ends a sentence, or up to the end.
_SENTENCE = re.compile(r".*?(?=\.(?: [A-Z`]|$)|$)")
_READING = {"show": "get", "read": "get"}
# Operations other than POST and PUT that what exists can refuse.
CONFLICTING = {
    # A model number may be bound to the token id.
    ("DELETE", "/api/admin/tokens/{token_id}"),
    # It may be revoked.
    ("GET", "/api/attestations/{digest}/bundle"),
    # It may be withdrawn, or its files not be read.
    ("GET", "/api/models/{model_id}/model.sig"),
}
PROBLEM: Document = {
    "type": "object",
    "title": "Problem",
    "description": "The body of every error: RFC 9457, with the members that MLflow's client "
    "reads.",
    "required": ["type", "title", "status", "detail", "error_code", "message", "reason"],
    "properties": {
        "type": {"type": "string", "description": "`urn:hokusai:problem:` followed by the reason."},
        "title": {"type": "string", "description": "The name of the status."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The same as `message`."},
        "error_code": {"type": "string", "description": "An error code of MLflow."},
        "message": {"type": "string", "description": "For people: what is wrong and what to do."},
        "reason": {"type": "string", "description": "For programs: what is wrong."},
        "request_id": {"type": "string", "description": "The same as the header X-Request-ID."},
        "problems": {
            "type": "array",
            "description": "With status 422: what is wrong with the request.",
            "items": {
                "type": "object",
                "required": ["where", "problem"],
                "properties": {
                    "where": {
                        "type": "string",
                        "description": "The part of the request, and the place in it.",
                        "examples": ["body.data_contribution[0].weight_bps", "query.limit"],
                    },
                    "problem": {
                        "type": "string",
                        "description": "What is wrong there, and what would be right. For people.",
                        "examples": ["must be a whole number from 1 to 10000"],
                    },
                },
            },
        },
    },
}
EXAMPLES: Document = {
    "date-time": "2026-01-31T23:59:59Z",
    "string": "text",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "null": None,
}


def complete(api: FastAPI, public: frozenset[tuple[str, str]]) -> None:
    """Make `api.openapi()` return the completed document.

    public: the methods and paths that need no credential.
    """
    incomplete = api.openapi

    def openapi() -> Document:
        if api.openapi_schema is None:
            _complete(incomplete(), public)
        document = api.openapi_schema
        assert document is not None
        return document

    api.openapi = openapi  # type: ignore[method-assign]


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """The method in upper case, the path, and the description of each operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolve(document: Document, schema: Document) -> Document:
    """The schema itself, or the one that it refers to."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def example(document: Document, schema: Document) -> Any:
    """An example of a schema: the one that it states, its default, or one made from its parts."""
    schema = resolve(document, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    for choice in ("enum", "const"):
        if choice in schema:
            return schema["enum"][0] if choice == "enum" else schema["const"]
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return example(document, schema[union][0])
    if schema.get("type") == "object":
        required = schema.get("required", [])
        return {
            name: example(document, one)
            for name, one in schema.get("properties", {}).items()
            if name in required or one.get("default") is not None or "examples" in one
        }
    if schema.get("type") == "array":
        return [example(document, schema["items"])] * schema.get("minItems", 1)
    return EXAMPLES.get(schema.get("format", ""), EXAMPLES.get(schema.get("type", ""), "…"))


def operation_id(method: str, path: str, summary: str) -> str:
    """The name of an operation in generated clients, such as `registerBaseline`.

    summary: the words of its function's name, such as `Register Baseline`.
    """
    if (method, path) in OPERATION_IDS:
        return OPERATION_IDS[method, path]
    first, *rest = summary.lower().split()
    if method == "HEAD":
        first, rest = "head", [first, *rest]
    elif method == "GET" and not rest:
        first, rest = "get", [first]
    first = _READING.get(first, first)
    return first + "".join(word.capitalize() for word in rest)


def summary(description: str) -> str:
    """The first sentence of a description, for lists of operations, without its period."""
    sentence = _SENTENCE.match(" ".join(description.split()))
    return sentence[0] if sentence else description


def calls_mlflow(method: str, path: str, operation: Document) -> bool:
    """Whether an operation looks up in MLflow what its body refers to."""
    of_models = path.startswith(("/api/models/", "/api/attestations"))
    return method == "POST" and of_models and bool(operation["security"])


def can_be_not_found(method: str, path: str, operation: Document) -> bool:
    """Whether an operation can fail with 404, because its path or body refers to something."""
    refers = (method, path) == ("POST", "/api/mint-approvals")
    return refers or "{" in path or calls_mlflow(method, path, operation)


def _complete(document: Document, public: frozenset[tuple[str, str]]) -> None:
    document["servers"] = [{"url": ADDRESS}]
    used = [tag for _, _, one in operations(document) for tag in one.get("tags", ())]
    document["tags"] = [
        {"name": tag, "description": TAGS.get(tag, "")} for tag in dict.fromkeys(used)
    ]
    components = document.setdefault("components", {})
    components["securitySchemes"] = SECURITY_SCHEMES
    components["schemas"] = {
        name: schema
        for name, schema in components.get("schemas", {}).items()
        if name not in ("HTTPValidationError", "ValidationError")
    } | {"Problem": PROBLEM}
    components["responses"] = {
        str(status): _error_response(status) for status in _errors_by_status()
    }
    for method, path, operation in operations(document):
        is_public = (method, path) in public
        operation["security"] = [] if is_public else SECURITY
        operation["operationId"] = operation_id(method, path, operation.get("summary", path))
        operation["summary"] = summary(operation.get("description", path))
        # FastAPI describes a 422 of its own form, which the gateway does not use.
        operation["responses"].pop("422", None)
        for media in _documents(operation):
            if "example" not in media:
                media["example"] = example(document, media.get("schema", {}))
        statuses = [400, 429, 500, 503]
        statuses += [422] if operation.get("parameters") or "requestBody" in operation else []
        statuses += [] if is_public and method == "GET" else [401, 403]
        # Sign-In with Ethereum is disabled where the operator has not set the public URL.
        statuses += [403] if path == "/api/auth/nonce" else []
        statuses += [404] if can_be_not_found(method, path, operation) else []
        statuses += [502, 504] if calls_mlflow(method, path, operation) else []
        statuses += [409, 413] if method in ("POST", "PUT") else []
        statuses += [409] if (method, path) in CONFLICTING else []
        responses = operation["responses"]
        for status in sorted(statuses):
            if str(status) not in responses:
                responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
        operation["responses"] = dict(sorted(responses.items()))


def _documents(operation: Document) -> Iterator[Document]:
    """The JSON bodies of an operation: of its request, and of its responses other than errors."""
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        media = body.get("content", {}).get("application/json")
        if media is not None:
            yield media


def _errors_by_status() -> dict[int, list[type[GatewayError]]]:
    by_status: dict[int, list[type[GatewayError]]] = {}
    pending = list(GatewayError.__subclasses__())
    for kind in pending:
        pending += kind.__subclasses__()
        if kind.__module__ == errors.__name__:
            by_status.setdefault(kind.status, []).append(kind)
    return by_status


def _error_response(status: int) -> Document:
    kinds = _errors_by_status()[status]
    title = HTTPStatus(status).phrase
    reasons = ", ".join(f"`{kind.reason}`" for kind in kinds)
    first = kinds[0]
    return {
        "description": f"{title}. Reasons: {reasons}.",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": {
                    "type": f"urn:hokusai:problem:{first.reason}",
                    "title": title,
                    "status": status,
                    "detail": "What is wrong and what to do.",
                    "error_code": first.error_code,
                    "message": "What is wrong and what to do.",
                    "reason": first.reason,
                    "request_id": "train-42",
                },
            }
        },
    }
