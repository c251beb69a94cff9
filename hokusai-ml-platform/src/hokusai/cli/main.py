"""The command `hokusai`: all subcommands, and how each kind of error is reported.

Modules that are slow to import are imported by the commands that need them, so that
`hokusai --help` is fast.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any, Sequence

import click

from hokusai.__version__ import __version__
from hokusai.cli.account import limits, login, logout, whoami
from hokusai.cli.attest import attest
from hokusai.cli.benchmark import benchmark
from hokusai.cli.circuits import circuits
from hokusai.cli.keys import keys
from hokusai.cli.log import log
from hokusai.cli.mint import mint, mint_approvals, mint_request
from hokusai.cli.models import models
from hokusai.cli.output import sanitize
from hokusai.cli.register import register
from hokusai.cli.verify import verify
from hokusai.errors import ConfigurationError, HokusaiError, HokusaiWarning, InputError

# Exit codes. The last is the convention of shells: 128 and the number of SIGINT.
REFUSED, USAGE, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hokusai")
def cli() -> None:
    """Register models with Hokusai, have improvements attested, and verify attestations.

    The gateway is --url, or else HOKUSAI_URL, HOKUSAI_API_ENDPOINT or MLFLOW_TRACKING_URI, or else
    that of the last `hokusai login`. The credential is MLFLOW_TRACKING_TOKEN, HOKUSAI_API_KEY or
    HOKUSAI_PRIVATE_KEY, or else the key that `hokusai login` stored.
    """


for _command in (
    *(login, logout, whoami, limits, keys, models, register, attest, verify, log),
    *(mint, mint_request, mint_approvals, benchmark, circuits),
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The arguments after the command's name; by default those of the process.

    Returns:
        The exit code: 0 for success; 1 if the gateway refused or an attestation does not hold;
        2 for wrong usage, unreadable files and missing credentials; 130 if interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Characters that the terminal's encoding lacks must not end the command.
            stream.reconfigure(errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", HokusaiWarning)
        warnings.showwarning = _show_warning
        return _run(arguments)


# How to do with options what a refusal asks for, by its reason.
_HINTS = {
    "metrics_changed": " As options: --registered (refresh: false), or --refresh (refresh: true).",
}


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="hokusai",
            standalone_mode=False,
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        # From click 8.2 on, a group without a subcommand raises this, with the help as message.
        if type(error).__name__ == "NoArgsIsHelpError":
            click.echo(error.format_message(), err=True)
            return USAGE
        return _fail(error.format_message(), USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has closed the pipe. Python flushes standard output again when it exits, and
        # would report the same error there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except (InputError, ConfigurationError) as error:
        return _fail(str(error), USAGE)
    except HokusaiError as error:
        hint = _HINTS.get(getattr(error, "reason", None) or "", "")
        return _fail(f"{error}{hint}", REFUSED)
    except Exception as error:
        # MLflow's errors are written for users. Of other errors only the class is shown, since
        # their text may contain a secret.
        if any(kind.__name__ == "MlflowException" for kind in type(error).__mro__):
            return _fail(f"MLflow: {error}", REFUSED)
        if os.environ.get("HOKUSAI_DEBUG"):
            raise
        return _fail(
            f"An internal error occurred: {type(error).__name__}. HOKUSAI_DEBUG=1 shows where.",
            REFUSED,
        )


def _fail(message: str, code: int) -> int:
    click.echo(f"hokusai: {_one_line(message)}", err=True)
    return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"hokusai: warning: {_one_line(str(message))}", err=True)


def _one_line(text: str) -> str:
    return sanitize(" ".join(text.split()))
