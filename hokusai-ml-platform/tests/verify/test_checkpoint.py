"""Parsing signed checkpoints and the keys of logs."""

from __future__ import annotations

import base64

import pytest
from Crypto.PublicKey import ECC

from hokusai.errors import DocumentError, InputError
from hokusai.verify.checkpoint import LogKey, WitnessKey, parse_checkpoint
from hokusai.verify.trust import check_note
from hokusai.witness.signing import WitnessSigner
from make_reports import key_text, signed_note
from vector_file import LOG_KEY, VECTORS

NOTE: str = VECTORS["checkpoint"]
BODY, SIGNATURE = NOTE.split("\n\n")
NAME, KEY_ID, ENCODED = LOG_KEY.split("+", 2)


def signature_line(key_id: bytes) -> str:
    """A signature line with a signature of zeros."""
    return f"\N{EM DASH} {NAME} {base64.b64encode(key_id + bytes(64)).decode()}"


def test_a_checkpoint_has_origin_size_root_and_signer() -> None:
    checkpoint = parse_checkpoint(NOTE, [LogKey(LOG_KEY)])

    assert (checkpoint.origin, checkpoint.size) == ("hokusai.registry/attestations", 5)
    assert checkpoint.root.hex() == VECTORS["consistency"]["root_hash"]
    assert checkpoint.signed_by == f"{NAME}+{KEY_ID}"


def test_without_the_key_it_is_signed_by_nobody() -> None:
    assert parse_checkpoint(NOTE, []).signed_by is None
    another_key = ECC.generate(curve="Ed25519").public_key().export_key(format="raw")
    other = LogKey(key_text(NAME, b"\x01" + another_key))
    assert parse_checkpoint(NOTE, [other]).signed_by is None
    renamed = LogKey(key_text("other.example", base64.b64decode(ENCODED)))
    assert parse_checkpoint(NOTE, [renamed]).signed_by is None


def test_a_key_signs_for_no_other_log_than_that_of_its_name() -> None:
    """As when one secret serves two logs: the origin line says which one a checkpoint is of."""
    for origin, name, is_signed in (("a", "a", True), ("a", "b", False), ("b", "a", False)):
        key, note = signed_note(origin, name)
        found = parse_checkpoint(note, [LogKey(LOG_KEY), LogKey(key)])
        assert (found.signed_by is not None) is is_signed
        assert found.origin == origin
    key, note = signed_note("a", "b")
    with pytest.raises(DocumentError, match="No log key that you trust for a has signed"):
        check_note(note, [key])


def test_only_sixteen_signatures_are_read() -> None:
    key = LogKey(LOG_KEY)
    foreign = "\N{EM DASH} other.example AAAAAAAA\n"

    assert parse_checkpoint(f"{BODY}\n\n{foreign * 15}{SIGNATURE}", [key]).signed_by is not None
    assert parse_checkpoint(f"{BODY}\n\n{foreign * 16}{SIGNATURE}", [key]).signed_by is None


@pytest.mark.parametrize(
    ("line", "is_signed"),
    [
        (SIGNATURE.rstrip("\n"), True),
        ("- " + SIGNATURE[2:].rstrip("\n"), False),
        (SIGNATURE.replace(NAME, "other").rstrip("\n"), False),
        (f"\N{EM DASH} {NAME} not base64", False),
        (signature_line(bytes.fromhex(KEY_ID)), False),
        (signature_line(bytes(4)), False),
    ],
)  # fmt: skip
def test_a_signature_line_is_verified(line: str, is_signed: bool) -> None:
    assert LogKey(LOG_KEY).has_signed(BODY + "\n", line) is is_signed
    assert not LogKey(LOG_KEY).has_signed("another body\n", line)


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("", "not a signed note"),
        (BODY, "not a signed note"),
        (NOTE.rstrip("\n"), "not a signed note"),
        ("origin\n5\n\n\N{EM DASH} x y\n", "not a checkpoint"),
        (NOTE.replace("\n5\n", "\n05\n"), "not a checkpoint"),
        (NOTE.replace("\n5\n", "\n-5\n"), "not a checkpoint"),
        ("\n" + NOTE.partition("\n")[2], "not a checkpoint"),
        (NOTE.replace("\n0xgh", "\n!xgh"), "not valid base64"),
        (NOTE.replace("CTI=\n", "CTJ=\n"), "canonical form of base64"),
        (f"o\n5\n{base64.b64encode(bytes(31)).decode()}\n\n\N{EM DASH} x y\n", "not 32 bytes"),
        ("x" * 65_537, "more than 65536 characters"),
    ],
)
def test_a_note_that_is_not_a_checkpoint_is_rejected(note: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_checkpoint(note, [LogKey(LOG_KEY)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the form"),
        ("name+id", "has the form"),
        (f"+{KEY_ID}+{ENCODED}", "has the form"),
        (f"{NAME}+{KEY_ID}+???", "not valid base64"),
        (key_text(NAME, bytes(32)), "not an Ed25519 key"),
        (key_text(NAME, b"\x02" + bytes(32)), "not an Ed25519 key"),
        (f"{NAME}+00000000+{ENCODED}", "does not match its name and key"),
        (f"other+{KEY_ID}+{ENCODED}", "does not match its name and key"),
        *(
            (key_text(name, base64.b64decode(ENCODED)), "has the form")
            for name in ("a b", "a\x00", "a\u2003", "a\n", "a\xa0b")
        ),
    ],
)
def test_a_key_that_is_not_valid_is_rejected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogKey(text)


def test_a_key_may_have_white_space_around_it_and_its_id_in_capitals() -> None:
    assert str(LogKey(f" {NAME}+{KEY_ID.upper()}+{ENCODED}\n")) == f"{NAME}+{KEY_ID}"


def test_cosignatures_of_trusted_witnesses_are_counted_once() -> None:
    signers = [WitnessSigner(f"w{number}.example", bytes([number]) * 32) for number in range(3)]
    lines = "".join(signer.cosign(f"{BODY}\n", 1_700_000_000) for signer in signers[:2])
    witnesses = [WitnessKey(signer.key) for signer in signers]
    checkpoint = parse_checkpoint(NOTE + lines, [LogKey(LOG_KEY)], [*witnesses, *witnesses])

    assert checkpoint.cosigned_by == tuple(map(str, witnesses[:2]))
    assert checkpoint.signed_by is not None
    changed = lines.replace(lines[40], "A" if lines[40] != "A" else "B", 1)
    assert len(parse_checkpoint(NOTE + changed, [], witnesses).cosigned_by) < 2


def test_a_cosignature_with_another_time_or_of_a_log_key_does_not_count() -> None:
    signer = WitnessSigner("w.example", b"7" * 32)
    line = signer.cosign(f"{BODY}\n", 1_700_000_000)
    raw = base64.b64decode(line.split(" ")[2])
    later = (int.from_bytes(raw[4:12], "big") + 1).to_bytes(8, "big")
    blob = base64.b64encode(raw[:4] + later + raw[12:]).decode()
    other = f"\N{EM DASH} w.example {blob}\n"

    assert parse_checkpoint(NOTE + other, [], [WitnessKey(signer.key)]).cosigned_by == ()
    with pytest.raises(ValueError, match="witness key"):
        WitnessKey(LOG_KEY)
    with pytest.raises(ValueError, match="log key"):
        LogKey(signer.key)


@pytest.mark.parametrize(("quorum", "passes"), [(None, False), (1, True), (2, False)])
def test_a_quorum_of_witnesses_is_required(quorum: int | None, passes: bool) -> None:
    signers = [WitnessSigner(f"w{number}.example", bytes([number]) * 32) for number in range(2)]
    note = NOTE + signers[0].cosign(f"{BODY}\n", 1_700_000_000)
    keys = [signer.key for signer in signers]
    if passes:
        assert check_note(note, [LOG_KEY], keys, quorum).size == 5
    else:
        with pytest.raises(DocumentError, match="cosigned by 1 of your witnesses, and 2"):
            check_note(note, [LOG_KEY], keys, quorum)
    for wrong in (0, 3):
        with pytest.raises(InputError, match="quorum"):
            check_note(note, [LOG_KEY], keys, wrong)
