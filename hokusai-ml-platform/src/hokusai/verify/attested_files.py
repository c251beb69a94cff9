"""Comparing the files of a directory with the files of an attested model."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from hokusai.verify.json_fields import CheckFailed, NotChecked, text_at
from hokusai.verify.model_files import ModelFile, differences, list_digest, oms_root
from hokusai.verify.model_signature import ModelSignature, signed_difference


def check_files(
    data: Mapping[str, Any] | None,
    files: Sequence[ModelFile],
    listed: Sequence[ModelFile] | None,
    signature: ModelSignature | None,
) -> str:
    """Check that files are those of the attested model.

    Args:
        data: What the attestation's bytes say; None if the hash does not hold.
        files: The files of the caller's copy of the model.
        listed: The files of the model as the gateway listed them.
        signature: The signature of the attested model.

    Returns:
        What holds, in words.

    Raises:
        CheckFailed: They are not.
        NotChecked: There is nothing to compare with.
    """
    if data is None:
        raise NotChecked("the hash does not hold, so the attested files are not known")
    attested = data.get("files")
    if not isinstance(attested, dict):
        raise CheckFailed("the attestation names no files of the model")
    if listed is not None and not _are_attested(listed, attested):
        raise CheckFailed("the list of files is not that of the attested model")
    named = None if listed is None else differences(listed, files)
    if named is None and signature is not None:
        named = signed_difference(signature, files)
    if not _are_attested(files, attested):
        baseline = data.get("baseline")
        other = baseline.get("files") if isinstance(baseline, dict) else None
        if isinstance(other, dict) and _are_attested(files, other):
            raise CheckFailed("these are the files of the baseline, not of the attested model")
        if named is None and signature is not None:
            named = signed_difference(signature, files, all_files=True)
        raise CheckFailed(
            "these are not the files of the attested model"
            + (f": {named}" if named else "; its list of files would tell which differ")
        )
    source = text_at(attested, "evidence")
    if named is not None:
        raise CheckFailed(f"the files differ from those listed: {named}")
    if attested.get("list_sha256") is None:
        return (
            f"the content of the files is that of the attested model ({source}); their names are "
            "not attested"
        )
    return f"all {len(files)} files are those of the attested model ({source})"


def _are_attested(files: Sequence[ModelFile], attested: Mapping[str, Any]) -> bool:
    """Return whether files are those of a member `files` of the attested data.

    The root of OpenSSF Model Signing alone says nothing of their names, and leaves some out.
    """
    if oms_root(files) != text_at(attested, "sha256"):
        return False
    return attested.get("list_sha256") in (None, list_digest(files))
