"""The SDK's reference: one page for each public module."""

from pathlib import Path

from docs.tools.pages import SDK
from docs.tools.sdk_reference import pages


def test_each_public_module_has_a_page() -> None:
    made = pages(SDK)

    assert {"hokusai.core.md", "hokusai.errors.md", "hokusai.verify.md"} < set(made)
    assert made["hokusai.core.md"] == "# `hokusai.core`\n\n::: hokusai.core\n"
    for page in made.keys() - {"index.md"}:
        assert f"]({page})" in made["index.md"]


def test_a_module_without_public_names_has_none(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text('__all__ = ["a"]\n')
    (package / "py.typed").write_text("")
    (package / "hidden.py").write_text('"""Hidden."""\n')
    (package / "open.py").write_text('"""Open *to* all.\n\nMore.\n"""\n\n__all__ = ["a"]\n')
    (package / "inner" / "__init__.py").write_text('"""Inner."""\n\n__all__ = ["b"]\n')

    made = pages(package)

    assert set(made) == {"index.md", "pack.open.md", "pack.inner.md"}
    assert r"| [`pack.open`](pack.open.md) | Open \*to\* all. |" in made["index.md"]
