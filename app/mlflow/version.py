"""MLflow's version: of a server, as its route GET /version gives it, or of an installed package."""

import re

# The first release with workspaces, which keep tenants apart: (major, minor).
OLDEST_RELEASE = (3, 10)
OLDEST = ".".join(map(str, OLDEST_RELEASE))

# Short and plain enough to become a label of a metric.
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
_RELEASE = re.compile(r"(\d+)\.(\d+)")


def parse_version(text: str) -> str | None:
    """The version in the body of GET /version; None where the body is anything else."""
    return text if _VERSION.fullmatch(text) else None


def release_of(version: str) -> tuple[int, int] | None:
    """The major and minor number of a version; None where it does not begin with two numbers."""
    release = _RELEASE.match(version)
    return None if release is None else (int(release[1]), int(release[2]))
