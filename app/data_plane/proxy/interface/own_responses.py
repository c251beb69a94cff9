"""What MLflow's web interface wants to know of the server and of its user.

MLflow would say that it has workspaces and an assistant, and knows no users. What tenants do not
have here, such as webhooks and an AI gateway, the interface lists as it lists all else. Its pages
send each of these requests, so that none may fail.
"""

import json
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.request.context import context_of

AJAX_2, AJAX_3 = "/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow"


class FixedResponse:
    """ASGI application that responds with the same JSON document each time."""

    def __init__(self, document: Any) -> None:
        self._body = json.dumps(document).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _send(scope, send, self._body)


class CurrentUser:
    """ASGI application of users/current: the tenant is shown as the user."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = context_of(scope).principal
        assert principal is not None  # the route needs a credential
        document = {
            "user": {"username": principal.tenant, "is_admin": False},
            # With basic authentication, the interface would offer to change a password.
            "is_basic_auth": False,
        }
        await _send(scope, send, json.dumps(document).encode())


async def _send(scope: Scope, send: Send, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    content = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": content})


# By the patterns of their routes.
OWN_RESPONSES: dict[str, ASGIApp] = {
    # Without workspaces, the interface lets nobody choose one, and sends no header with one.
    f"{AJAX_3}/server-info": FixedResponse(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
            "features_enabled": {"gateway": False},
        }
    ),
    f"{AJAX_2}/users/current": CurrentUser(),
    f"{AJAX_3}/users/current/permissions": FixedResponse({"is_admin": False, "permissions": []}),
    f"{AJAX_3}/users/roles/list": FixedResponse({"roles": []}),
    f"{AJAX_3}/roles/list": FixedResponse({"roles": []}),
    f"{AJAX_3}/ui-telemetry": FixedResponse(
        {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}
    ),
    # Lists of what tenants do not have.
    f"{AJAX_2}/gateway-proxy": FixedResponse({"endpoints": []}),
    f"{AJAX_2}/webhooks": FixedResponse({"webhooks": []}),
    f"{AJAX_3}/gateway/endpoints/bindings/list": FixedResponse({"bindings": []}),
    f"{AJAX_3}/gateway/endpoints/list": FixedResponse({"endpoints": []}),
    f"{AJAX_3}/gateway/model-definitions/list": FixedResponse({"model_definitions": []}),
    f"{AJAX_3}/gateway/secrets/list": FixedResponse({"secrets": []}),
    f"{AJAX_3}/mcp-servers": FixedResponse({"mcp_servers": []}),
    f"{AJAX_3}/review-queues/list": FixedResponse({"review_queues": []}),
    f"{AJAX_3}/scorers/list": FixedResponse({"scorers": []}),
    # An assistant that is not set up.
    f"{AJAX_3}/assistant/config": FixedResponse(
        {"providers": {}, "projects": {}, "remote_access_allowed": False}
    ),
    f"{AJAX_3}/assistant/providers": FixedResponse(
        {"providers": [], "resolved": None, "gateway_vendor_options": {}}
    ),
}
