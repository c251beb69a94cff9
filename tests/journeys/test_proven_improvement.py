"""A proven improvement, made with `serve` as a user starts it, then checked by everybody's tools.

`examples/proven_improvement.py` runs once. What it leaves is checked by the command `hokusai`, by
`model_signing` (PyPI), `@sigstore/verify`, snarkjs and viem (npm), and by the page /verify. Each of
them also has to refuse something that was changed.
"""

import base64
import copy
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest
from hokusai.verify.proof import proof_digest
from playwright.sync_api import expect

from tests.control_plane.envelopes import test_sigstore
from tests.control_plane.minting import test_vectors
from tests.sdk.zk.conftest import CEREMONY
from tests.support import envelopes, node, programs
from tests.support.browser import Browser
from tests.support.responses import good
from tests.support.serve_process import ServeProcess
from tests.web.test_verify import choose, shown, verdict

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "examples" / "proven_improvement.py"
HOKUSAI = (sys.executable, "-m", "hokusai")


@dataclass(frozen=True)
class Story:
    """The gateway in which it happened, what was printed, and the directory with what was left."""

    url: str
    key: str
    printed: str
    directory: Path

    def read(self, name: str) -> Any:
        return json.loads((self.directory / name).read_text())

    @property
    def attestation(self) -> dict[str, Any]:
        found: dict[str, Any] = self.read("attestation.json")
        return found

    @property
    def model(self) -> Path:
        return self.directory / "model"

    def get(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.get(self.url + path, headers=headers, trust_env=False)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    directory = tmp_path_factory.mktemp("proven")
    data, work = directory / "data", directory / "work"
    work.mkdir()
    programs.run([*HOKUSAI, "circuits", "setup", data / "proof-keys"], work)
    with ServeProcess(data) as serving:
        url = serving.url
        printed = programs.run(
            [sys.executable, EXAMPLE],
            work,
            timeout=600,
            HOKUSAI_URL=f"{url}/api/mlflow",
            HOKUSAI_API_KEY=serving.admin_key,
            HOKUSAI_ADMIN_KEY=serving.admin_key,
        )
        yield Story(url, serving.admin_key, printed, work / "proven")


@pytest.fixture
def changed_model(story: Story, tmp_path: Path) -> Path:
    """A copy of the model, one of whose files has one more byte."""
    copied = shutil.copytree(story.model, tmp_path / "changed")
    with max(copied.rglob("*.pkl")).open("ab") as file:
        file.write(b"\n")
    return copied


def verified(story: Story, model: Path, elsewhere: Path) -> CompletedProcess[str]:
    """What `hokusai verify` says, without a network."""
    given = {
        name: story.directory / file
        for name, file in (("--known", "known.json"), ("--log", "log.jsonl"))
    }
    return programs.finish(
        [
            *(*HOKUSAI, "verify", story.directory / "attestation.json", "--strict"),
            *("--model", model),
            *(word for option in given.items() for word in option),
        ],
        elsewhere,
        {"HOME": str(elsewhere)},
    )


def test_it_happened_as_the_example_says(story: Story) -> None:
    assert re.search(r"^Attested \(proven\) .*, accepted$", story.printed, re.M)
    assert re.search(r"^ok  proof ", story.printed, re.M)
    assert "The attestation holds: proven" in story.printed
    assert re.search(r"^Mint request 0x[0-9a-f]{64}, signed by 0x", story.printed, re.M)


def test_hokusai_verifies_it_strictly(story: Story, changed_model: Path, tmp_path: Path) -> None:
    done = verified(story, story.model, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "The attestation holds: proven" in done.stdout
    assert {line[:2] for line in done.stdout.splitlines()[:-1]} == {"ok"}, done.stdout

    done = verified(story, changed_model, tmp_path)
    assert done.returncode == 1
    assert re.search(r"^NO  model ", done.stdout, re.M), done.stdout


def test_model_signing_verifies_the_files(
    story: Story, changed_model: Path, tmp_path: Path
) -> None:
    signature = good(story.get(f"/api/models/{story.attestation['data']['model_id']}/model.sig"))
    pem = story.get("/.well-known/hokusai.pub").text

    done = envelopes.model_signing(story.model, signature, pem, tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded"), done.stderr
    done = envelopes.model_signing(changed_model, signature, pem, tmp_path)
    assert done.returncode == 1
    assert "Verification failed" in done.stderr


def test_sigstore_verifies_the_bundle(
    story: Story, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bundle, pem = story.read("bundle.json"), story.get("/.well-known/hokusai.pub").text
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert story.attestation["hash"] in json.dumps(statement)

    cases = [{"bundle": one, "key": pem} for one in (bundle, envelopes.changed(bundle))]
    directory = node.installed(test_sigstore.HERE, tmp_path_factory)
    assert test_sigstore.verdicts(directory, cases) == ["ok", "SIGNATURE_ERROR"]


def test_the_page_verifies_the_saved_document(story: Story, browser: Browser) -> None:
    document = story.attestation
    with browser.visitor(story.url) as visitor:
        page = visitor.page("/verify")
        choose(page, document)
        expect(page.get_by_role("status")).to_contain_text("holds: proven, signed by 0x")
        page.get_by_text("The log, to see whether it was revoked").click()
        choose(page, (story.directory / "log.jsonl").read_text(), "log.jsonl", into="log")
        expect(page.locator("[data-check=revocation]")).to_have_attribute("data-result", "holds")
        found = shown(page)
        assert found["proof"][0] == "holds"
        assert "rows are proven for committed labels" in found["proof"][1]
        assert {result for result, _ in found.values()} == {"holds"}

        changed = with_another_count(document)
        choose(page, changed)
        expect(page.locator("[data-check=proof]")).to_have_attribute("data-result", "fails")
        assert shown(page)["hash"][0] == "holds"
        assert verdict(page).startswith("This attestation does not hold.")
        choose(page, {**document, "proof": changed["proof"]})
        expect(page.locator("[data-check=hash]")).to_have_attribute("data-result", "fails")


def with_another_count(document: dict[str, Any]) -> dict[str, Any]:
    """A document whose proof has another count, and whose hash and bytes are those of this proof.

    Only its signature and its proof are wrong then.
    """
    changed = copy.deepcopy(document)
    public = changed["proof"]["public"]
    public[0] = str(int(public[0]) + 1)
    digest = proof_digest(changed["proof"])
    text = document["bytes"].replace(document["data"]["proof_sha256"], digest)
    changed |= {"bytes": text, "data": json.loads(text)}
    changed["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return changed


def test_snarkjs_verifies_the_proof(
    story: Story, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With its command, as docs/proofs.md says."""
    program = node.installed(CEREMONY, tmp_path_factory) / "node_modules/snarkjs/build/cli.cjs"

    def said(proof: dict[str, Any]) -> tuple[int, str]:
        files = {"key.json": "verifying_key", "public.json": "public", "proof.json": "proof"}
        for file, member in files.items():
            (tmp_path / file).write_text(json.dumps(proof[member]))
        command: list[str | Path] = ["node", program, "groth16", "verify", *files]
        done = programs.finish(command, tmp_path, {"PATH": os.environ["PATH"]})
        return done.returncode, done.stdout

    proof = story.attestation["proof"]
    code, output = said(proof)
    assert code == 0
    assert "OK!" in output
    for place in range(len(proof["public"])):
        changed = copy.deepcopy(proof)
        changed["public"][place] = str(int(proof["public"][place]) + 1)
        code, output = said(changed)
        assert code == 1
        assert "Invalid proof" in output


def test_viem_computes_the_digest_of_the_mint_request(
    story: Story, tmp_path_factory: pytest.TempPathFactory
) -> None:
    request = story.read("mint_request.json")
    assert f"Mint request {request['digest']}" in story.printed
    changed = copy.deepcopy(request["typed_data"])
    changed["message"]["modelId"] = str(int(changed["message"]["modelId"]) + 1)

    directory = node.installed(test_vectors.INTEROP, tmp_path_factory)
    typed = [request["typed_data"], changed]
    (viem, ethers), (other, _) = test_vectors.digests_by_viem_and_ethers(directory, typed)
    assert viem == ethers == request["digest"]
    assert other != request["digest"]
