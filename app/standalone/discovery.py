"""Completes the settings with what `serve` keeps in its data directory."""

from pydantic import SecretStr

from app.core.errors import StartupError
from app.core.settings import Settings
from app.standalone.data_directory import DataDirectory


def discover_settings(settings: Settings) -> Settings:
    """The settings, with the database and the pepper of a running `serve` where they are not set.

    For commands that use the database. Raises StartupError where neither the settings nor the data
    directory name a database, or have a pepper.
    """
    directory = DataDirectory(settings.data_dir)
    found: dict[str, SecretStr] = {}
    if settings.database_url is None:
        url = directory.read_database_url()
        if url is None:
            raise StartupError(
                "HOKUSAI_DATABASE_URL is not set, and `serve` has not started a database in "
                f"{directory.path}: set it, or set HOKUSAI_DATA_DIR to the data directory of "
                "`serve`"
            )
        found["database_url"] = SecretStr(url)
    if settings.key_pepper is None:
        if not directory.path.exists():
            raise StartupError(
                "HOKUSAI_KEY_PEPPER is not set, and keys cannot be hashed without it: set it, or "
                "set HOKUSAI_DATA_DIR to the data directory of `serve`"
            )
        found["key_pepper"] = SecretStr(directory.ensure_pepper())
    return settings.model_copy(update=found)
