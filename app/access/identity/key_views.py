"""API keys as responses show them."""

from typing import Any

from app.access.identity import keys
from app.access.identity.models import APIKey
from app.access.identity.schemas import IssuedKey, KeyView
from app.database.engine import now


def view(key: Any) -> KeyView:
    """A key as lists show it. key: an `APIKey`, or a row with its columns."""
    return KeyView.model_validate({**_columns(key), "state": keys.state(key, now())})


def issued(key: APIKey, secret: str) -> IssuedKey:
    """A new key with its secret, which is shown only once."""
    return IssuedKey.model_validate({**_columns(key), "state": "active", "key": secret})


def _columns(key: Any) -> dict[str, object]:
    return {name: getattr(key, name) for name in KeyView.model_fields if name != "state"}
