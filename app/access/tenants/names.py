"""The names of tenants and of their MLflow workspaces."""

import hashlib
import re

from app.core.errors import UnprocessableError

# No space at the end: it would be invisible, and name a different tenant.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,61}[A-Za-z0-9._-])?")
# The same as a JSON Schema pattern, for the OpenAPI document.
PATTERN = f"^{_NAME.pattern}$"
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")

# MLflow's rule for the names of workspaces, and the names that it reserves.
_WORKSPACE = re.compile(r"[a-z0-9][-a-z0-9]{0,61}[a-z0-9]")
_RESERVED = frozenset({"default", "workspaces", "api", "ajax-api", "static-files"})

_DERIVED = re.compile(r".*-[0-9a-f]{8}")
_SLUG_LENGTH = 63 - len("-12345678")


def tenant_name(text: str) -> str:
    """The stored form of a tenant's name.

    A name has 1 to 63 characters: ASCII letters, digits, space, `.`, `_` and `-`. The first is a
    letter or digit, the last is not a space. An Ethereum address is converted to lower case, so
    that it names the tenant of that wallet. Raises UnprocessableError for any other text.
    """
    if _NAME.fullmatch(text) is None:
        raise UnprocessableError(
            "A tenant's name has 1 to 63 letters, digits, spaces, dots, underscores and hyphens; "
            "it begins with a letter or digit and does not end with a space."
        )
    lower = text.lower()
    return lower if _ADDRESS.fullmatch(lower) else text


def is_wallet(name: str) -> bool:
    """Whether a tenant, by the stored form of its name, is a wallet."""
    return _ADDRESS.fullmatch(name) is not None


def workspace_for(name: str) -> str:
    """The name of a tenant's MLflow workspace. name: in its stored form.

    It is the tenant's name if MLflow allows that, as for every wallet. Otherwise it is derived: the
    name in lower case with hyphens for other characters, and eight digits of the name's SHA-256. A
    tenant whose own name ends like a derived name gets a derived one too, so that no two tenants
    share a workspace.
    """
    if _WORKSPACE.fullmatch(name) and name not in _RESERVED and (_DERIVED.fullmatch(name) is None):
        return name
    # A name begins with a letter or digit, so the slug is not empty and begins with no hyphen.
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_SLUG_LENGTH].rstrip("-")
    return f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
