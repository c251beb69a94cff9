"""Where the other commands find what a running `serve` has started."""

from pydantic import SecretStr

from app.core.errors import StartupError
from app.core.settings import Settings
from app.standalone.data_directory import DataDirectory


def settings_of_running(settings: Settings) -> Settings:
    """The settings, completed from the data directory of `serve` as far as they were not given.

    Raises StartupError where neither says which database to use.
    """
    directory = DataDirectory(settings.data_dir)
    found: dict[str, SecretStr] = {}
    if settings.database_url is None:
        url = directory.database_url()
        if url is None:
            raise StartupError(
                f"HOKUSAI_DATABASE_URL is not set, and nothing was started in {directory.path}: "
                "set it, or set HOKUSAI_DATA_DIR to the data directory of `serve`"
            )
        found["database_url"] = SecretStr(url)
    if settings.key_pepper is None:
        if not directory.path.exists():
            raise StartupError(
                "HOKUSAI_KEY_PEPPER is not set: keys cannot be hashed without it; set it, or set "
                "HOKUSAI_DATA_DIR to the data directory of `serve`"
            )
        found["key_pepper"] = SecretStr(directory.pepper())
    return settings.model_copy(update=found)
