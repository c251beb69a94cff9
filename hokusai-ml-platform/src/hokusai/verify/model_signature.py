"""The signature of a model's files, as OpenSSF Model Signing v1.0 has it.

A Sigstore bundle with an in-toto statement: its subject has the root digest of the files, and its
predicate lists them, each with its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Mapping, NamedTuple, Sequence

from hokusai.verify.envelope_key import EnvelopeKey
from hokusai.verify.json_fields import (
    CheckFailed,
    NotChecked,
    list_at,
    member,
    object_at,
    text_at,
    texts_at,
)
from hokusai.verify.model_files import ModelFile, differences_of, require_safe
from hokusai.verify.report import Report, make_check
from hokusai.verify.sigstore_bundle import open_bundle

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
# How the files are listed: each by the digest of its whole content.
_SERIALIZATION = {"method": "files", "hash_type": "sha256"}
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ModelSignature(NamedTuple):
    """What a signature says.

    Attributes:
        name: The name of its subject. A gateway writes `<tenant>/<name>@<version>`.
        model_id: The id of the model; None if it names none.
        root: The digest of all files together, 64 hexadecimal digits.
        digests: The SHA-256 of each file, by its path.
        ignored: Paths that it leaves out, each with everything below it.
        signed_by: The trusted key that signed it; None where no key is trusted.
    """

    name: str
    model_id: str | None
    root: str
    digests: Mapping[str, str]
    ignored: frozenset[str]
    signed_by: EnvelopeKey | None

    def is_ignored(self, path: str) -> bool:
        """Return whether the signature leaves a file out."""
        # Looked up, and not compared one by one: an untrusted list may be very long.
        parts = path.split("/")
        return any("/".join(parts[:end]) in self.ignored for end in range(1, len(parts) + 1))


def read_signature(bundle: Mapping[str, Any], keys: Sequence[EnvelopeKey]) -> ModelSignature:
    """Read the signature of a model, and check that it agrees with itself.

    Args:
        bundle: The signature, which is a Sigstore bundle.
        keys: The trusted keys, of which one must have signed it; none for no such check.

    Raises:
        CheckFailed: It is of another form, not signed by a trusted key, or its list of files is not
            that of its digest.
        DocumentError: A path in its list is not safe, or is there twice.
        ValueError: A part is not valid base64.
    """
    statement, signed_by = open_bundle(bundle, keys, PREDICATE_TYPE, "the files of models")
    subjects = list_at(statement, "subject")
    if len(subjects) != 1:
        raise CheckFailed("its statement does not have exactly one subject")
    predicate = object_at(statement, "predicate")
    serialization = object_at(predicate, "serialization")
    if any(serialization.get(name) != value for name, value in _SERIALIZATION.items()):
        raise CheckFailed("it does not list files by the SHA-256 of each")
    paths, digests = [], []
    for one in list_at(predicate, "resources"):
        paths.append(text_at(one, "name"))
        digests.append(text_at(one, "digest"))
        if member(one, "algorithm") != "sha256" or not _DIGEST.fullmatch(digests[-1]):
            raise CheckFailed("a file in its list has no SHA-256")
    require_safe(paths)
    root = text_at(subjects[0], "digest", "sha256")
    if hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest() != root:
        raise CheckFailed("its list of files is not that of the digest in its subject")
    return ModelSignature(
        name=text_at(subjects[0], "name"),
        model_id=text_at(predicate, "model_id") if "model_id" in predicate else None,
        root=root,
        digests=dict(zip(paths, digests)),
        ignored=frozenset(
            texts_at(serialization, "ignore_paths") if "ignore_paths" in serialization else ()
        ),
        signed_by=signed_by,
    )


def require_agreement(signature: ModelSignature, data: Mapping[str, Any]) -> None:
    """Check that a signature is about the model that was attested.

    Args:
        signature: The signature.
        data: What the attestation's bytes say.

    Raises:
        CheckFailed: It is about another model or other files, or the attestation names no files.
    """
    files = data.get("files")
    if not isinstance(files, dict):
        raise CheckFailed("the attestation names no files of the model")
    if text_at(files, "sha256") != signature.root:
        baseline = data.get("baseline")
        other = baseline.get("files") if isinstance(baseline, dict) else None
        if isinstance(other, dict) and other.get("sha256") == signature.root:
            raise CheckFailed("it is about the files of the baseline, not of the attested model")
        raise CheckFailed("it is about other files than the attestation")
    names = [text_at(data, part) for part in ("tenant", "model_name", "model_version")]
    if signature.name != "{}/{}@{}".format(*names) or signature.model_id != text_at(
        data, "model_id"
    ):
        raise CheckFailed("it is about another model with the same files")


def result_of(signature: ModelSignature) -> str:
    """Say what holds, in words.

    Raises:
        NotChecked: There is no key to trust.
    """
    said = f"the {len(signature.digests)} files of {signature.name}"
    if signature.signed_by is None:
        raise NotChecked(f"it lists {said}, but you have named no envelope key to trust")
    return f"{said}, signed by the envelope key {signature.signed_by.name}"


def signed_difference(
    signature: ModelSignature, files: Sequence[ModelFile], *, all_files: bool = False
) -> str | None:
    """Return how files differ from those that a signature lists, in words; None if they do not.

    Args:
        signature: The signature.
        files: The files.
        all_files: Name also those that the signature leaves out.
    """
    compared = [file for file in files if all_files or not signature.is_ignored(file.path)]
    return differences_of(signature.digests, {file.path: file.sha256 for file in compared})


def compare_directory(signature: ModelSignature, files: Sequence[ModelFile]) -> str:
    """Compare the files of a directory with those that a signature lists.

    Returns:
        What holds, in words.

    Raises:
        CheckFailed: They differ.
    """
    different = signed_difference(signature, files)
    if different is not None:
        raise CheckFailed(f"the files differ from those that the signature lists: {different}")
    more = len(files) - len(signature.digests)
    return f"all {len(signature.digests)} files are those that the signature lists" + (
        f" (of other files in the directory, which it leaves out, there are {more})" if more else ""
    )


def check_model_signature(
    bundle: Mapping[str, Any],
    keys: Sequence[EnvelopeKey],
    files: Sequence[ModelFile] | None,
) -> Report:
    """Check a signature without an attestation.

    Args:
        bundle: The signature.
        keys: The trusted keys.
        files: The files of a directory to compare with it.
    """
    read: list[ModelSignature] = []

    def signed() -> str:
        read.append(read_signature(bundle, keys))
        return result_of(read[0])

    def compared() -> str:
        if not read:
            raise NotChecked("the signature does not hold, so the signed files are not known")
        return compare_directory(read[0], files or ())

    checks = [make_check("model_signature", signed)]
    if files is not None:
        checks.append(make_check("model", compared))
    return Report(tuple(checks), None, None, None, essential=("model_signature",))
