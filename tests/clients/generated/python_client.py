"""Calls the gateway with the client of openapi-python-client. Arguments: URL, key."""

import json
import sys

from generated_client import AuthenticatedClient
from generated_client.api.attestations import get_checkpoint
from generated_client.api.auth import get_identity
from generated_client.api.keys import create_own_key
from generated_client.api.models import get_model, list_models
from generated_client.models import KeyRequest

url, key = sys.argv[1:]
with AuthenticatedClient(base_url=url, token=key) as client:
    identity = get_identity.sync(client=client)
    created = create_own_key.sync(
        client=client, body=KeyRequest(name="generated", expires_in_days=1)
    )
    models = list_models.sync(client=client, limit=1)
    log = get_checkpoint.sync(client=client)
    missing = get_model.sync(client=client, model_id="hkm_none")

print(
    json.dumps(
        {
            "tenant": identity.tenant,
            "key": created.key,
            "models": len(models.items),
            "origin": log.origin,
            "reason": missing.reason,
        }
    )
)
