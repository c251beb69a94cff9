"""The SDK's reference as Markdown: what mkdocstrings makes of the docstrings, a page a module."""

import ast
from pathlib import Path

from docs.tools.markdown import escaped, table


def pages(package: Path) -> dict[str, str]:
    """Each page's text by its name, for the package's public modules: those with an `__all__`.

    Only the modules right below the package count: what lies deeper is private to them. The
    package's own names are those of its modules once more, and get no page.
    """
    made = {}
    rows = []
    for path in sorted(package.iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if path.stem == "__init__" or source.suffix != ".py" or not source.is_file():
            continue
        tree = ast.parse(source.read_text("utf-8"))
        names = _exported(tree)
        if not names:
            continue
        module = f"{package.name}.{path.stem}"
        made[f"{module}.md"] = f"# `{module}`\n\n::: {module}\n"
        summary = (ast.get_docstring(tree) or "").partition("\n\n")[0]
        rows.append((f"[`{module}`]({module}.md)", escaped(summary)))
    made["index.md"] = "\n".join(
        [
            "# SDK reference\n",
            "The public modules of the Python SDK `hokusai`, made from their docstrings. "
            "[The SDK and the command](../../sdk.md) shows how they are used.\n",
            table(("module", "what"), rows),
        ]
    )
    return made


def _exported(tree: ast.Module) -> list[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in statement.targets
        ):
            names: list[str] = ast.literal_eval(statement.value)
            return names
    return []
