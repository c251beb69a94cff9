"""Warns of environment variables `HOKUSAI_*` that are not settings, such as misspelled ones."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from app.core.settings import Settings

PREFIX = "HOKUSAI_"
# Variables of the SDK and the examples, which may be set in the same shell as the gateway's.
CLIENTS = frozenset(
    {"URL", "API_ENDPOINT", "API_KEY", "ADMIN_KEY", "PRIVATE_KEY", "ATTESTOR", "DEBUG"}
)
# Kubernetes sets these in every container, for each Service whose name begins with `hokusai-`.
_SERVICE = re.compile(r"\w+_(?:SERVICE_(?:HOST|PORT)\w*|PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)?)")


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """A warning for each variable that is ignored, with the most similar setting.

    environment: names and values. A value is never repeated, since it may be a secret. Names are
    compared without regard to case, like those of the settings.
    """
    settings = {name.upper() for name in Settings.model_fields}
    for variable in sorted(environment):
        name = variable.upper().removeprefix(PREFIX)
        if not variable.upper().startswith(PREFIX) or name in settings | CLIENTS:
            continue
        if _SERVICE.fullmatch(name):
            continue
        nearest = get_close_matches(name, sorted(settings), n=1, cutoff=0)[0]
        yield (
            f"warning: {variable} is not a setting and is ignored; the most similar one is "
            f"{PREFIX}{nearest}"
        )
