"""Checks that a message is in plain words, without details of Python, pydantic or the app."""

import ast
import re
from functools import cache
from pathlib import Path

import app

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# `list[Share]`, but neither `scopes[0]` nor `metrics["two words"]`.
_BRACKETED_TYPE = re.compile(r'\w\[(?!\d+\]|")')
_REGULAR_EXPRESSION = re.compile(r"\[\^|\^[\[(\\]|[\])][*+?$]|[\])]\{\d|\\[xsdwZ]|\(\?")
_PYTHON = re.compile(
    r"\b(dict|dictionary|tuple|frozenset|str|int|bool|float|None|NoneType|True|False|datetime"
    r"|timedelta|codec|sys|urllib|traceback|recursion)\b"
)
_PYDANTIC = re.compile(
    r"(?i)pydantic|input should|instance of|value error|assertion failed|extra inputs"
    r"|field required|function-|unable to|constrained|should (be|have|match)|validat(or|ion)\b"
)


def what_is_not_plain(message: str) -> list[str]:
    """The parts of a message that somebody who does not know its program would not understand.

    Text in quotes is not examined: it is the reader's own, or an example.
    """
    message = _QUOTED.sub('""', message)
    patterns = (_BRACKETED_TYPE, _REGULAR_EXPRESSION, _PYTHON, _PYDANTIC, _class_names())
    return [match[0] for pattern in patterns for match in pattern.finditer(message)]


@cache
def _class_names() -> re.Pattern[str]:
    """The app's own classes, but for those that are also words, such as `Share`."""
    (directory,) = app.__path__
    names = {
        node.name
        for file in Path(directory).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and re.search("[a-z][A-Z]", node.name)
    }
    assert "ContributionRequest" in names
    return re.compile(rf"\b({'|'.join(sorted(names))})\b")
