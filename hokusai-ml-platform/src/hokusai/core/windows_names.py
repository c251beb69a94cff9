"""Names of files that Windows takes for something else, or changes."""

from __future__ import annotations

# Devices, whatever follows a dot after their name (https://learn.microsoft.com, "Naming Files").
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789\u00b9\u00b2\u00b3"
}
# `:` is that of a drive or of a stream within a file.
_NOT_ALLOWED = frozenset('<>:"|?*\\/')


def is_windows_name(name: str) -> bool:
    """Return whether a file can have this name on Windows, and keeps it."""
    device = name.split(".")[0].rstrip(" ").upper()
    # Dots and spaces at the end are left out.
    return (
        name != ""
        and name[-1] not in ". "
        and device not in _DEVICES
        and not set(name) & _NOT_ALLOWED
        and min(name) >= " "
    )
