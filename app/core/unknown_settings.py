"""Variables of the environment that look like settings of the gateway, and are none."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from app.core.settings import Settings

PREFIX = "HOKUSAI_"
# What the SDK and the examples read; who develops with them may run a gateway in the same shell.
CLIENTS = frozenset({"URL", "API_ENDPOINT", "API_KEY", "PRIVATE_KEY", "ATTESTOR", "DEBUG"})
# What Kubernetes tells every container of a Service whose name begins with `hokusai-`.
_SERVICE = re.compile(r"\w+_(?:SERVICE_(?:HOST|PORT)\w*|PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)?)")


def warnings(environment: Mapping[str, str]) -> Iterator[str]:
    """A line for each variable that sets nothing, with the setting whose name is nearest.

    environment: names and values; a value is never repeated, since it may be a secret. Case does
    not count, as for the settings themselves.
    """
    known = {name.upper() for name in Settings.model_fields}
    for variable in sorted(environment):
        name = variable.upper().removeprefix(PREFIX)
        if not variable.upper().startswith(PREFIX) or name in known | CLIENTS:
            continue
        if _SERVICE.fullmatch(name):
            continue
        nearest = get_close_matches(name, sorted(known), n=1, cutoff=0)[0]
        yield (
            f"warning: {variable} is no setting and does nothing; the nearest one is "
            f"{PREFIX}{nearest}"
        )
