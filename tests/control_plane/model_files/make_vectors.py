"""Makes `model_files_v1.json`: directories, and the digests that other people's programs give them.

The root of OpenSSF Model Signing comes from the package `model-signing` (which needs pyOpenSSL),
and that of `sha256-merkle-v1` from the module of the platform that defines it. Neither is a
dependency of this project: run the script in an environment that has the first, with the path of
the second's file.

    python tests/control_plane/model_files/make_vectors.py weight_commitment.py > OUT.json
"""

import importlib
import importlib.util
import json
import random
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

SEED = 13
# Names whose order, or whose place among the files, differs between the ways to sort and to choose.
NAMED: list[list[str]] = [
    ["MLmodel"],
    ["a"],
    ["MLmodel", "a"],
    ["a-b", "a/b", "a.b", "ab", "A"],
    ["a/b/c", "a/b.c", "a/b-c", "a/bc", "a/b0"],
    ["model.pkl", "MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"],
    ["MLmodel", "metadata/MLmodel", "metadata/conda.yaml", "data/metadata/kept", "metadata.txt"],
    ["registered_model_meta", "sub/my_registered_model_meta.yaml", "weights.bin"],
    [".gitignore", ".gitattributes", ".git/config", ".github/x.yml", "sub/.gitignore", "w"],
    [".gitattributes", ".gitkeep", "MLmodel", "w"],
    ["é", "e\u0301", "z", "ü/x", "中/文", "\U0001d4b3", "\uffee"],
    ["with space", "with+plus", "percent%20", "quote'\"", "hash#", "semi;colon"],
    ["sub/MLmodel", "MLmodel.txt", "x/MLmodel"],
]
PARTS = ["a", "b", "a-b", "a.b", "A", "0", "10", "9", "data", "metadata", "é", ".gitignore", "_"]


def directories() -> list[dict[str, str]]:
    """Each directory as the contents of its files by path."""
    chance = random.Random(SEED)
    made = [{path: f"{path}\n" for path in paths} for paths in NAMED]
    made.append({"empty": "", "also/empty": "", "not": "x"})
    made.extend(
        {f"shard-{i:03}.bin": f"{i}" * (i % 5) for i in range(count)} for count in range(1, 18)
    )
    for _ in range(40):
        files: dict[str, str] = {}
        for _ in range(chance.randint(1, 12)):
            path = "/".join(chance.choices(PARTS, k=chance.randint(1, 4)))
            taken = any(
                f"{one}/".startswith(f"{path}/") or path.startswith(f"{one}/") for one in files
            )
            if not taken:
                files[path] = chance.choice(["", "x", path])
        made.append(files)
    return made


def main() -> None:
    model_signing = importlib.import_module("model_signing")
    importlib.import_module("model_signing.hashing")
    payload = importlib.import_module("model_signing._signing.signing").Payload
    spec = importlib.util.spec_from_file_location("weight_commitment", sys.argv[1])
    assert spec is not None
    assert spec.loader is not None
    platform = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = platform
    spec.loader.exec_module(platform)
    vectors: list[dict[str, Any]] = []
    for files in directories():
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            for path, content in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(content)
            statement = payload(model_signing.hashing.hash(root)).statement.pb
            try:
                weights = platform.compute_weight_commitment(root).root
            except ValueError:
                weights = None
        vectors.append(
            {
                "files": [
                    {
                        "path": path,
                        "size": len(content.encode()),
                        "sha256": sha256(content.encode()).hexdigest(),
                        "content": content,
                    }
                    for path, content in sorted(files.items())
                ],
                "oms_root": statement.subject[0].digest["sha256"],
                "weights": weights,
            }
        )
    json.dump(vectors, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
