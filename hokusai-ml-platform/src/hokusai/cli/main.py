"""`hokusai`: the whole command, and what every failure of it looks like.

Nothing heavy is imported before a command needs it, so that `hokusai --help` answers at once.
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
from hokusai.cli.log import log
from hokusai.cli.models import models
from hokusai.cli.output import sanitize
from hokusai.cli.register import register
from hokusai.cli.verify import verify
from hokusai.errors import ConfigurationError, HokusaiError, HokusaiWarning, InputError

# As shells and click have them.
REFUSED, USAGE, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hokusai")
def cli() -> None:
    """Register models with Hokusai, have improvements attested, and verify attestations.

    The gateway is --url, or HOKUSAI_URL, or MLFLOW_TRACKING_URI. The credential is
    MLFLOW_TRACKING_TOKEN, HOKUSAI_API_KEY or HOKUSAI_PRIVATE_KEY, or what `hokusai login` stored.
    """


for _command in (login, logout, whoami, limits, models, register, attest, verify, log):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: its exit code, 0, 1 for what was refused or does not hold, 2 for usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of another encoding still gets the rest of the line.
            stream.reconfigure(errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", HokusaiWarning)
        warnings.showwarning = _warn
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        found = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="hokusai",
            standalone_mode=False,
        )
        sys.stdout.flush()
        return found if isinstance(found, int) else 0
    except click.ClickException as error:
        # Its message is a page of help; click has it from 8.2 on.
        if type(error).__name__ == "NoArgsIsHelpError":
            click.echo(error.format_message(), err=True)
            return USAGE
        return _fail(error.format_message(), USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain again when it closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except (InputError, ConfigurationError) as error:
        return _fail(str(error), USAGE)
    except HokusaiError as error:
        return _fail(str(error), REFUSED)
    except Exception as error:
        # MLflow's errors have been written for users. Of others only the name is told: the text
        # of an error that nobody foresaw may hold a secret.
        if any(kind.__name__ == "MlflowException" for kind in type(error).__mro__):
            return _fail(f"MLflow: {error}", REFUSED)
        if os.environ.get("HOKUSAI_DEBUG"):
            raise
        return _fail(
            f"{type(error).__name__}, which should not happen. HOKUSAI_DEBUG=1 shows where.",
            REFUSED,
        )


def _fail(message: str, code: int) -> int:
    click.echo(f"hokusai: {sanitize(' '.join(message.split()))}", err=True)
    return code


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"hokusai: warning: {sanitize(' '.join(str(message).split()))}", err=True)
