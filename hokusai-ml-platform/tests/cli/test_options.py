"""Converting the values of options."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import click
import pytest

from hokusai.cli.options import JSONObject, KeyValue, data_contribution_of, metrics_from_pairs


def test_a_json_object_is_given_as_text_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "metadata.json"
    file.write_text('{"dataset": "d"}')

    assert JSONObject().convert('{"a": [1]}', None, None) == {"a": [1]}
    assert JSONObject().convert(f"@{file}", None, None) == {"dataset": "d"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON; use @FILE"),
        ("[" * 5_000, "not valid JSON"),
        ("[1]", "not a JSON object"),
        ("@missing.json", "cannot be read: No such file"),
        ("@binary", "cannot be read: it is not text"),
    ],
)
def test_anything_else_is_a_usage_error(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("binary").write_bytes(b"\xff\xfe")
    with pytest.raises(click.BadParameter, match=message):
        JSONObject().convert(text, None, None)


def test_a_pair_has_a_number_or_a_text() -> None:
    assert KeyValue(number=True).convert("f1=0.5", None, None) == ("f1", 0.5)
    assert KeyValue(number=False).convert("stage=a=b", None, None) == ("stage", "a=b")


@pytest.mark.parametrize(("pair", "message"), [("f1", "name=number"), ("=1", "name=number")])
def test_a_pair_needs_a_name_and_a_value(pair: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=message):
        KeyValue(number=True).convert(pair, None, None)
    with pytest.raises(click.BadParameter, match="not a number"):
        KeyValue(number=True).convert("f1=high", None, None)


def test_metrics_are_named_once() -> None:
    assert metrics_from_pairs([("f1", 0.5), ("loss", 1.0)]) == {"f1": 0.5, "loss": 1.0}
    assert metrics_from_pairs([]) is None
    with pytest.raises(click.UsageError, match="twice"):
        metrics_from_pairs([("f1", 0.5), ("f1", 0.6)])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([], None, None, None, None), None),
        (([], "0xab", 9, "h", None), {"contributor": "0xab", "samples": 9, "data_hash": "h"}),
        (([{"samples": 1}], None, None, None, None), {"samples": 1}),
        (([{"samples": 1}], "0xab", None, None, None), {"contributor": "0xab", "samples": 1}),
        (
            ([{"contributor": "0xcd"}, {"samples": 1}], "0xab", None, None, None),
            [{"contributor": "0xcd"}, {"contributor": "0xab", "samples": 1}],
        ),
    ],
)
def test_a_contribution_is_made_of_options_or_whole_objects(
    arguments: tuple[Any, ...], expected: Any
) -> None:
    assert data_contribution_of(*arguments) == expected


def test_of_the_data_only_the_hash_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    content = b"a,b\n" * 500_000
    file.write_bytes(content)

    assert data_contribution_of([], None, None, None, str(file)) == {
        "data_hash": hashlib.sha256(content).hexdigest()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], None, None, "h", "data.csv"), "either --data or --data-hash"),
        (([{"a": 1}], None, 9, None, None), "either --contribution, or --samples"),
        (([{"a": 1}], None, None, "h", None), "either --contribution, or --samples"),
        (([], None, None, None, "missing.csv"), "missing.csv cannot be read"),
    ],
)
def test_options_that_exclude_each_other_are_a_usage_error(
    arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(click.UsageError, match=message):
        data_contribution_of(*arguments)
