"""The author of a change."""

from app.core.request.actor import CLI, Actor


def test_the_command_line_has_no_request() -> None:
    assert Actor("cli", request_id=None, client=None) == CLI
