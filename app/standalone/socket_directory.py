"""The directory of the Unix sockets of the servers that run here; only this user may enter it."""

import re
import shutil
import tempfile
from pathlib import Path

# The path of a Unix socket has at most about 100 bytes, of which the file name takes 14. A comma
# would separate hosts in a URL, and other special characters have a meaning for some client.
_USABLE = re.compile(r"[A-Za-z0-9._/+-]{1,88}")


class SocketDirectory:
    """`run` in the data directory; a temporary directory where that path cannot be used.

    path: of the directory, which exists after `create`.
    """

    def __init__(self, data_directory: Path) -> None:
        self.path = data_directory / "run"
        self._temporary = _USABLE.fullmatch(str(self.path)) is None
        if self._temporary:
            self.path = Path(tempfile.mkdtemp(prefix="hokusai-"))

    def create(self) -> None:
        """Create the directory unless it exists, with mode 0700."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.path.chmod(0o700)

    def remove(self) -> None:
        """Remove the directory if it is a temporary one."""
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
