"""Parsers of untrusted input raise nothing but the gateway's errors, for any bytes.

hypothesis tries input of nearly the right form; atheris follows the branches of the code.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing.targets import TARGETS

RUNS = 20_000
ROOT = Path(__file__).resolve().parents[2]

# Pieces of valid input, since random bytes find less.
PIECES = [
    b"/api/mlflow", b"/api/2.0/mlflow-artifacts/artifacts/", b"..", b"%2e", b"%2F", b"%252f", b"//",
    b"\\", b";", b"?", b"%00", b"%ff", b"\xc3\xa9", b"#", b"authorization", b"x-api-key", b"\n",
    b"x-eth-address", b"x-eth-message", b"x-eth-signature", b"Bearer ", b"Basic ", b"Og==", b"YTpi",
    b"example.org wants you to sign in with your Ethereum account:\n", b"0x" + b"a" * 40, b"\n\n",
    b"URI: https://example.org/a\nVersion: 1\nChain ID: 1\nNonce: abcdefgh\n", b"Issued At: ",
    b"2026-01-31T23:59:59Z", b"9999-12-31T23:59:60+99:99", b"Resources:\n- ", b"Not Before: ",
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"1e999", b"NaN", b"\\u0000", b"\\ud800", b'{"a":1}',
    b"\x1f\x8b\x08\x00", b"application/json", b"gzip", b"mlflow.traceTag.", b"\0", b" ",
]  # fmt: skip
INPUT = st.binary(max_size=80) | st.lists(
    st.sampled_from(PIECES) | st.binary(max_size=4), max_size=12
).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
@given(data=INPUT)
def test_a_parser_accepts_or_refuses(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris has wheels for Linux on x86-64 only; the test above covers the same parsers",
)
@pytest.mark.parametrize("name", TARGETS)
def test_the_fuzzer_finds_nothing(name: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, piece in enumerate(PIECES):
        (corpus / str(number)).write_bytes(piece)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzzing.run",
            name,
            f"-runs={RUNS}",
            "-seed=1",
            "-max_len=512",
            f"-artifact_prefix={tmp_path}/",
            str(corpus),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Done" in done.stderr, done.stderr
