"""The name of a tenant, and of the MLflow workspace that holds its experiments and models."""

import hashlib
import re

from app.core.errors import UnprocessableError

# A space at the end could not be seen, and would make another tenant.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,61}[A-Za-z0-9._-])?")
# The same for JSON Schema, which says it in the API's document.
PATTERN = f"^{_NAME.pattern}$"
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")

# MLflow's own rule for workspaces, and the names that it keeps for itself.
_WORKSPACE = re.compile(r"[a-z0-9][-a-z0-9]{0,61}[a-z0-9]")
_RESERVED = frozenset({"default", "workspaces", "api", "ajax-api", "static-files"})

_DERIVED = re.compile(r".*-[0-9a-f]{8}")
_SLUG_LENGTH = 63 - len("-12345678")


def tenant_name(text: str) -> str:
    """A tenant's name as it is kept, from what an admin gave.

    1 to 63 characters: ASCII letters, digits, space, `.`, `_` and `-`, the first a letter or digit,
    the last no space. An Ethereum address is put in lower case, so that it names the tenant that
    the wallet itself has. Raises UnprocessableError for other names.
    """
    if _NAME.fullmatch(text) is None:
        raise UnprocessableError(
            "A tenant's name has 1 to 63 letters, digits, spaces, dots, underscores and hyphens; "
            "it begins with a letter or digit and does not end with a space."
        )
    lower = text.lower()
    return lower if _ADDRESS.fullmatch(lower) else text


def is_wallet(name: str) -> bool:
    """Whether a tenant's name, as `tenant_name` gives it, is that of a wallet."""
    return _ADDRESS.fullmatch(name) is not None


def workspace_for(name: str) -> str:
    """The MLflow workspace of a tenant, by a name that `tenant_name` gave.

    The name itself where MLflow takes it, as for every wallet; otherwise what is left of it in
    lower case, and eight digits of its SHA-256. A name that ends like a derived one is derived
    too, so that no tenant can be named into the workspace of another.
    """
    if _WORKSPACE.fullmatch(name) and name not in _RESERVED and (_DERIVED.fullmatch(name) is None):
        return name
    # The first character of a name is a letter or digit, so the slug neither is empty nor
    # begins with a hyphen.
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_SLUG_LENGTH].rstrip("-")
    return f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
