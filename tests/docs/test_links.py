"""The check of the built site finds what leads nowhere and what comes from elsewhere."""

from pathlib import Path

import pytest

from docs.tools.links import main, problems

GOOD = """<!doctype html><link rel="stylesheet" href="assets/a.css"><link rel="canonical"
href="https://example.com/"><script src="assets/a.js"></script><img src="data:image/png;base64,AA">
<h1 id="top">A</h1><a href="#top">a</a> <a href="b/c%20d.html#e">b</a> <a href="b/">c</a>
<a href="https://example.com/x">d</a> <a href="mailto:a@example.com">e</a>
<a href="/b/c d.html">f</a>
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, text in {
        "index.html": GOOD,
        "b/index.html": '<a href="../index.html#top">up</a>',
        "b/c d.html": '<p id="e"></p>',
        "assets/a.css": "body { background: url(a.png) }",
        "assets/a.js": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_good_site_has_no_problems(site: Path) -> None:
    assert problems(site) == []
    main(["links", str(site)])


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="nope.html">', "x.html refers to nope.html, which does not exist"),
        ('<a href="assets/">', "x.html refers to assets/, which does not exist"),
        ('<a href="#nope">', "x.html refers to #nope, which has no such anchor"),
        ('<a href="index.html#e">', "x.html refers to index.html#e, which has no such anchor"),
        ('<img src="nope.png">', "x.html refers to nope.png, which does not exist"),
        ('<script src="https://cdn.example/a.js">', "x.html loads https://cdn.example/a.js"),
        ('<link rel="stylesheet" href="//cdn.example/a.css">', "x.html loads //cdn.example/a.css"),
        ('<link rel="preconnect" href="https://cdn.example">', "x.html loads https://cdn.example"),
        ('<iframe src="https://cdn.example/">', "x.html loads https://cdn.example/"),
    ],
)
def test_a_problem_is_named_with_its_page(site: Path, html: str, problem: str) -> None:
    (site / "x.html").write_text(html)

    assert problems(site) == [problem]


def test_a_style_sheet_loads_nothing_from_elsewhere(site: Path) -> None:
    (site / "assets" / "a.css").write_text("@import 'https://cdn.example/b.css';")

    assert problems(site) == ["assets/a.css loads https://cdn.example/b.css"]


def test_the_command_fails_with_all_problems(site: Path) -> None:
    (site / "x.html").write_text('<a href="a"></a><a href="b#c"></a>')

    with pytest.raises(SystemExit, match=r"refers to a,.*\n.*refers to b#c,.*\nerror: wrong .*: 2"):
        main(["links", str(site)])
