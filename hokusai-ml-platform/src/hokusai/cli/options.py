"""Options that several commands share, and conversion of their values."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence, TypeVar

import click

if TYPE_CHECKING:
    from hokusai.api import GatewayAPI

Command = TypeVar("Command", bound=Callable[..., Any])


class WholeNumber(click.IntRange):
    """A whole number in a range, with a name that reads well in help and in errors."""

    name = "number"


def url_option(command: Command) -> Command:
    """Add `--url`."""
    return click.option(
        "--url",
        metavar="URL",
        help="The gateway; by default from the environment, or that of the last login.",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`, which the command receives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")(
        command
    )


def limit_option(what: str) -> Callable[[Command], Command]:
    """Add `--limit` to a command that lists things; `what` names them in the plural."""
    return click.option(
        "--limit",
        type=WholeNumber(1, 10_000),
        default=50,
        show_default=True,
        help=f"The most {what} to show.",
    )


def witness_options(command: Command) -> Command:
    """Add `--witness` (as `witnesses`) and `--quorum`."""
    witness = click.option(
        "--witness",
        "witnesses",
        multiple=True,
        metavar="KEY",
        help="The public key of a witness that must have cosigned the log. Repeatable.",
    )
    quorum = click.option(
        "--quorum",
        type=WholeNumber(min=1),
        help="How many of the witnesses must have cosigned; by default all.",
    )
    return witness(quorum(command))


def metric_option(flag: str, argument: str, description: str) -> Callable[[Command], Command]:
    """Return a decorator that adds a repeatable option NAME=NUMBER.

    Args:
        flag: The option, such as `--metric`.
        argument: The name under which the command receives the pairs.
        description: The help text.
    """
    return click.option(
        flag,
        argument,
        type=KeyValue(number=True),
        multiple=True,
        metavar="NAME=NUMBER",
        help=f"{description} Repeatable.",
    )


def primary_metric_option(command: Command) -> Command:
    """Add `--primary-metric`."""
    return click.option(
        "--primary-metric", metavar="NAME", help="The metric that improvements are judged by."
    )(command)


def idempotency_key_option(command: Command) -> Command:
    """Add `--idempotency-key`."""
    return click.option(
        "--idempotency-key",
        metavar="KEY",
        help="Identifies this request when it is sent again; by default derived from its content.",
    )(command)


def contribution_options(command: Command) -> Command:
    """Add the options that say whose data was used, for `data_contribution_of`."""
    for option in (
        click.option(
            "--data", metavar="FILE", help="The data; only its SHA-256 is sent, not the file."
        ),
        click.option("--data-hash", metavar="HASH", help="The hash of the data, if computed."),
        click.option("--samples", type=WholeNumber(min=0), help="The number of samples."),
        click.option(
            "--contribution",
            "contributions",
            type=JSONObject(),
            multiple=True,
            metavar="JSON",
            help="A whole contribution, or @FILE. Repeatable, for several contributors.",
        ),
        click.option(
            "--contributor", metavar="ADDRESS", help="The contributor's Ethereum address, 0x..."
        ),
    ):
        command = option(command)
    return command


def connect(url: str | None) -> GatewayAPI:
    """Return the API of the gateway, with the caller's credential.

    Args:
        url: The value of `--url`.
    """
    from hokusai.api import GatewayAPI
    from hokusai.client import GatewayClient

    return GatewayAPI(GatewayClient.connect(url))


# ParamType is generic from click 8.4 on only.
class JSONObject(click.ParamType):  # type: ignore[type-arg]
    """A JSON object, or `@FILE` for a file that holds one."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Return the object, or fail with a usage error."""
        text = str(value)
        if text.startswith("@"):
            try:
                with open(text[1:], encoding="utf-8") as file:
                    text = file.read()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
                self.fail(f"{text[1:]} cannot be read: {reason}", param, ctx)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            self.fail("this is not valid JSON; use @FILE to read it from a file", param, ctx)
        if not isinstance(document, dict):
            self.fail("this is not a JSON object", param, ctx)
        return document


class KeyValue(click.ParamType):  # type: ignore[type-arg]
    """NAME=VALUE, with the value as text or as a number."""

    def __init__(self, number: bool) -> None:
        """number: Whether the value is a number."""
        self.number = number
        self.name = "name=number" if number else "name=text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return name and value, or fail with a usage error."""
        name, separator, text = str(value).partition("=")
        if not separator or not name:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        if not self.number:
            return name, text
        try:
            return name, float(text)
        except ValueError:
            self.fail(f"{text!r} is not a number", param, ctx)


def metrics_from_pairs(pairs: Sequence[tuple[str, float]]) -> dict[str, float] | None:
    """Return the metrics by name, or None if there are none.

    Raises:
        click.UsageError: A name occurs twice.
    """
    metrics = dict(pairs)
    if len(metrics) != len(pairs):
        raise click.UsageError("A metric is given twice.")
    return metrics or None


def data_contribution_of(
    contributions: Sequence[Mapping[str, Any]],
    contributor: str | None,
    samples: int | None,
    data_hash: str | None,
    data: str | None,
) -> Any:
    """Return the member `data_contribution` of a request, from `contribution_options`.

    Returns:
        One contribution, a list of several, or None.

    Raises:
        click.UsageError: The options exclude each other, or the file cannot be read.
    """
    if data is not None:
        if data_hash is not None:
            raise click.UsageError("Pass either --data or --data-hash, not both.")
        data_hash = hash_of_file(data)
    single = {"contributor": contributor, "samples": samples, "data_hash": data_hash}
    single = {name: value for name, value in single.items() if value is not None}
    if not contributions:
        return single or None
    if samples is not None or data_hash is not None:
        raise click.UsageError("Pass either --contribution, or --samples and --data; not both.")
    default = {"contributor": contributor} if contributor else {}
    complete = [{**default, **item} for item in contributions]
    return complete[0] if len(complete) == 1 else complete


def hash_of_file(path: str) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    import hashlib

    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise click.UsageError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()
