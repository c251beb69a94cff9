"""Lines, tables and JSON on standard output."""

from __future__ import annotations

import json

import pytest

from hokusai.cli.output import (
    cell,
    format_metrics,
    make_console,
    sanitize,
    write_json,
    write_line,
    write_record,
    write_table,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain \u00fc", "plain \u00fc"),
        ("\x1b[2J", "\ufffd[2J"),
        ("a\nb\t\r", "a\ufffdb\ufffd\ufffd"),
        ("\u202ereversed", "\ufffdreversed"),
        (7, "7"),
    ],
)
def test_characters_that_are_not_printable_are_replaced(text: object, expected: str) -> None:
    assert sanitize(text) == expected


def test_a_line_is_sanitized(capsys: pytest.CaptureFixture[str]) -> None:
    write_line("a\x07b")
    assert capsys.readouterr().out == "a\ufffdb\n"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": "\u202e"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"name": "\u202e"}


def test_cells_are_text_without_markup() -> None:
    assert cell(None).plain == ""
    assert cell(["a", 1]).plain == "a, 1"
    assert cell("[red]\x1b").plain == "[red]\ufffd"


def test_a_table_has_headings_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(["A", "B"], [["1", None], ["[b]2[/b]", ["x", "y"]]])
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()] == [
        ["A", "B"],
        ["1"],
        ["[b]2[/b]", "x,", "y"],
    ]


def test_a_record_has_the_members_with_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    write_record({"a": 1, "b": None, "c": [], "d": "", "e": 0, "f": False})
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()] == [["a", "1"], ["e", "0"], ["f", "False"]]


def test_at_a_terminal_lines_are_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_console().width == 500
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert make_console().width == 60


def test_metrics_are_a_list_of_names_and_numbers() -> None:
    assert format_metrics({"accuracy": 0.8500001, "loss": 1e-9}) == "accuracy 0.85, loss 1e-09"
    assert format_metrics({}) == ""
