"""The layers of `app/` are held by import-linter: a forbidden import fails `make check`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = Path(sys.executable).with_name("lint-imports")


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    """The result of `lint-imports` for the tree in a directory."""
    return subprocess.run(
        [LINT, "--no-cache"], cwd=directory, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the contracts are about."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in ("app", "migrations"):
        shutil.copytree(ROOT / package, copy / package)
    return copy


def test_the_tree_keeps_every_contract(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout


LAYERS = "Imports run downwards"
CIRCLES = "No package contains a circle of imports"
CONTROL_PLANE = "In the control plane"


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("app.core.redaction", "app.access.tenants.names", LAYERS),
        ("app.data_plane.proxy.new", "app.control_plane.registry.deltas", LAYERS),
        ("app.control_plane.registry.deltas", "app.data_plane.upstream.headers", LAYERS),
        ("app.edge.date_header", "app.main", LAYERS),
        ("app.new_package.new", "app.core.errors", LAYERS),  # a package that has no layer
        ("app.data_plane.upstream.headers", "app.data_plane.proxy.manifest", "In the data plane"),
        (
            "app.control_plane.contributors.shares",
            "app.control_plane.registry.deltas",
            CONTROL_PLANE,
        ),
        (
            "app.control_plane.attestations.lookup",
            "app.control_plane.minting.bindings",
            CONTROL_PLANE,
        ),
        ("app.access.tenants.names", "app.access.tenants.endpoints", CIRCLES),
        ("app.database.engine", "migrations.tables", "Nothing imports the migrations"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(
    tree: Path, tmp_path: Path, module: str, imported: str, contract: str
) -> None:
    copy = shutil.copytree(tree, tmp_path / "tree")
    file = copy.joinpath(*module.split(".")).with_suffix(".py")
    file.parent.mkdir(exist_ok=True)
    (file.parent / "__init__.py").touch()
    with file.open("a") as source:
        source.write(f"\nimport {imported}\n")
    result = lint(copy)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert broken
    assert contract in result.stdout.partition("Broken contracts")[2]
