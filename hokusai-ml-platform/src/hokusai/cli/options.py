"""What several commands take, and how what they are given is read."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence, TypeVar

import click

if TYPE_CHECKING:
    from hokusai.api import GatewayAPI

Command = TypeVar("Command", bound=Callable[..., Any])


def url_option(command: Command) -> Command:
    """`--url`, by default what the environment names."""
    return click.option("--url", metavar="URL", help="The gateway's /api/mlflow.")(command)


def json_option(command: Command) -> Command:
    """`--json`, which a command gets as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")(command)


def connect(url: str | None) -> GatewayAPI:
    """The gateway with the caller's credential."""
    from hokusai.api import GatewayAPI
    from hokusai.client import GatewayClient

    return GatewayAPI(GatewayClient.connect(url))


# click has a generic ParamType from 8.4 on only.
class JSONObject(click.ParamType):  # type: ignore[type-arg]
    """A JSON object, or `@FILE` that holds one."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        text = str(value)
        if text.startswith("@"):
            try:
                with open(text[1:], encoding="utf-8") as file:
                    text = file.read()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is not text"
                self.fail(f"{text[1:]} cannot be read: {reason}", param, ctx)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            self.fail("it is not JSON; @FILE reads it from a file", param, ctx)
        if not isinstance(found, dict):
            self.fail("it is not a JSON object", param, ctx)
        return found


class KeyValue(click.ParamType):  # type: ignore[type-arg]
    """NAME=VALUE, the value as text or as a number."""

    def __init__(self, number: bool) -> None:
        self.number = number
        self.name = "name=number" if number else "name=text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        name, separator, found = str(value).partition("=")
        if not separator or not name:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        if not self.number:
            return name, found
        try:
            return name, float(found)
        except ValueError:
            self.fail(f"{found!r} is not a number", param, ctx)


def metrics_from_pairs(pairs: Sequence[tuple[str, float]]) -> dict[str, float] | None:
    """The metrics that were given, or None for none. Raises UsageError for one given twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise click.UsageError("A metric is given twice.")
    return found or None


def data_contribution_of(
    given: Sequence[Mapping[str, Any]],
    contributor: str | None,
    samples: int | None,
    data_hash: str | None,
    data: str | None,
) -> Any:
    """What `data_contribution` is: the JSON objects that were given, or one of the options."""
    if data is not None:
        if data_hash is not None:
            raise click.UsageError("Give one of --data and --data-hash.")
        data_hash = _hash_of(data)
    single = {"contributor": contributor, "samples": samples, "data_hash": data_hash}
    single = {name: value for name, value in single.items() if value is not None}
    if not given:
        return single or None
    if samples is not None or data_hash is not None:
        raise click.UsageError("Give --contribution, or --samples and --data; not both.")
    whole = [{"contributor": contributor, **item} if contributor else item for item in given]
    return whole[0] if len(whole) == 1 else whole


def _hash_of(path: str) -> str:
    """The SHA-256 of a file's bytes, which never leave this machine."""
    import hashlib

    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                digest.update(part)
    except OSError as error:
        raise click.UsageError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()


def contribution_options(command: Command) -> Command:
    """Whose data it was, in the four ways that one contribution or several can be given."""
    for option in (
        click.option("--data", metavar="FILE", help="The data, of which only the hash is sent."),
        click.option("--data-hash", metavar="HASH", help="What names the data."),
        click.option("--samples", type=click.IntRange(min=0), help="How many."),
        click.option(
            "--contribution",
            "contributions",
            type=JSONObject(),
            multiple=True,
            metavar="JSON",
            help="A whole contribution, or @FILE; several times for several contributors.",
        ),
        click.option("--contributor", metavar="ADDRESS", help="Whose data it was: 0x..."),
    ):
        command = option(command)
    return command
