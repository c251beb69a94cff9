"""The pieces of Markdown that the site's generated pages are made of."""

import pytest

from docs.tools.markdown import escaped, fenced, prose, table, title


def test_prose_leaves_fenced_code_out() -> None:
    text = "one\n````text\n```\ntwo\n````\nthree\n~~~\nfour"

    assert "".join(line for is_prose, line in prose(text) if is_prose) == "one\nthree\n"


def test_a_title_is_the_first_heading_that_is_not_in_code() -> None:
    assert title("```bash\n# a comment\n```\n\n# The title\n\n# Another\n") == "The title"
    with pytest.raises(ValueError, match="no heading"):
        title("## Only a section\n")


def test_escaped_text_has_no_markup_outside_of_its_code() -> None:
    assert escaped("runs:/<id> of `<id>_x` and a_b*") == r"runs:/&lt;id> of `<id>_x` and a\_b\*"


def test_a_fence_is_longer_than_those_in_the_code() -> None:
    assert fenced("a\n````\n", "text") == "`````text\na\n````\n`````\n"
    assert fenced("a") == "```\na\n```\n"


def test_a_cell_of_a_table_is_one_line_without_bars() -> None:
    assert table(("a", "b"), [("1 | 2", "x\ny")]) == "| a | b |\n| --- | --- |\n| 1 \\| 2 | x y |\n"
