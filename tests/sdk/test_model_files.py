"""The files of a model, with the SDK: hashed before they go up, downloaded, and verified."""

import html
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.control_plane.model_files import reader
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.sdk import user_functions
from tests.support import programs
from tests.support.gateway import RunningGateway
from tests.support.mlflow_user import MLflowUser


@pytest.fixture(scope="module")
def gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that reads the files of models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "INTERVAL", 0.1)
        with RunningGateway(new_database(), mlflow_server.url, model_files_readers=2) as running:
            yield running


def test_a_model_is_hashed_witnessed_downloaded_and_verified(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    with MLflowUser(tmp_path, HOKUSAI_URL=gateway.url, MLFLOW_TRACKING_TOKEN=gateway.key()) as user:
        result = user.call(user_functions.register_with_files)
    assert (result["registered"], result["state"]) == ("claimed", "witnessed")
    assert result["attested"]["evidence"] == "witnessed"
    document = tmp_path / "attestation.json"
    document.write_text(json.dumps(result["document"]))
    model_id = result["model_id"]

    def command(*arguments: str, code: int = 0, key: str = "") -> str:
        """What `hokusai` writes, run by another tenant."""
        shell = {"HOME": str(tmp_path), "HOKUSAI_URL": gateway.url, "HOKUSAI_API_KEY": key}
        program = [sys.executable, "-m", "hokusai", *arguments]
        finished = programs.finish(program, tmp_path, shell, "")
        assert finished.returncode == code, finished.stdout + finished.stderr
        return finished.stdout + finished.stderr

    other = gateway.key(scopes=[Scope.READ])
    refused = command("models", "download", result["own_model_id"], "own", code=1, key=other)
    assert "does not share its files" in refused
    assert not (tmp_path / "own").exists()

    written = command("models", "download", model_id, "copy", key=other)
    assert result["attested"]["sha256"] in written
    copy = tmp_path / "copy"
    assert len([one for one in copy.rglob("*") if one.is_file()]) == result["attested"]["count"]
    again = command("models", "download", model_id, "copy", key=other)
    assert "MLmodel" not in again
    # One that was interrupted goes on within the file.
    content = (copy / "MLmodel").read_bytes()
    received = tmp_path / "half.part" / "files"
    received.mkdir(parents=True)
    (received / "MLmodel").write_bytes(content[:10])
    (received.parent / "download.json").write_text(json.dumps({"paths": ["MLmodel"]}))
    command("models", "download", model_id, "half", key=other)
    assert (tmp_path / "half" / "MLmodel").read_bytes() == content

    # The lines that the model's page shows check all of it, for a stranger.
    with gateway.client(other) as client:
        shown = html.unescape(client.get(f"/models/{model_id}").text)
    lines = shown.split("<h2>Check it yourself</h2>")[1].split("<code>")[1].split("</code>")[0]
    (tmp_path / "stranger").mkdir()
    shell = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "stranger"),
        "HOKUSAI_API_KEY": other,
    }
    finished = programs.finish(["sh", "-ec", lines], tmp_path / "stranger", shell, "")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    held = re.findall(r"^ok +(\w+)", finished.stdout, re.MULTILINE)
    assert {"hash", "signature", "signer", "inclusion", "model", "export", "revocation"} <= set(
        held
    )

    signer = result["document"]["signature"]["signer"]
    verify = ("verify", "attestation.json", "--attestor", signer, "--model")
    assert "all" in command(*verify, "copy")
    shutil.copytree(copy, tmp_path / "changed")
    (tmp_path / "changed" / "MLmodel").write_text("flavors: {}\n")
    assert "these are not the files" in command(*verify, "changed", code=1)
    listed = command(*verify, "changed", "--files", "copy.files.json", code=1)
    assert "MLmodel is different" in listed
