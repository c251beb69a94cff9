"""SIWE messages (EIP-4361) are parsed strictly, and verified for host, time and signature."""

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from app.access.identity.siwe import MAX_LENGTH, SIWEMessage, parse, validate, verify
from app.core.errors import InvalidSignatureError, StaleSignatureError

ACCOUNT = Account.from_key("0x" + "46" * 32)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTS = frozenset({"registry.hokus.ai", "localhost:8000"})
MAX_AGE, CLOCK_SKEW = 300.0, 60.0

MESSAGE = SIWEMessage(
    domain="registry.hokus.ai",
    address=ACCOUNT.address,
    uri="https://registry.hokus.ai/api/auth/token",
    chain_id=1,
    nonce="32891756abc",
    issued_at=NOW,
)
FULL = f"""https://registry.hokus.ai wants you to sign in with your Ethereum account:
{ACCOUNT.address}

I accept the terms: https://hokus.ai/tos

URI: https://registry.hokus.ai/login?next=%2Fmodels
Version: 1
Chain ID: 8453
Nonce: 32891756
Issued At: 2026-03-01T12:00:00.123Z
Expiration Time: 2026-03-01T14:05:00+02:00
Not Before: 2026-03-01T11:59:00Z
Request ID: a-1
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""


def sign(text: str) -> str:
    return bytes(ACCOUNT.sign_message(encode_defunct(text=text)).signature).hex()


def check(message: SIWEMessage, now: datetime = NOW) -> None:
    validate(message, hosts=HOSTS, now=now, max_age=MAX_AGE, clock_skew=CLOCK_SKEW)


def test_every_field_is_parsed() -> None:
    assert parse(FULL) == SIWEMessage(
        scheme="https",
        domain="registry.hokus.ai",
        address=ACCOUNT.address,
        statement="I accept the terms: https://hokus.ai/tos",
        uri="https://registry.hokus.ai/login?next=%2Fmodels",
        chain_id=8453,
        nonce="32891756",
        issued_at=datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC),
        expiration_time=datetime(2026, 3, 1, 12, 5, tzinfo=UTC),
        not_before=datetime(2026, 3, 1, 11, 59, tzinfo=UTC),
        request_id="a-1",
        resources=(
            "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
            "https://example.com/my-web2-claim.json",
        ),
    )


def test_a_message_without_optional_fields_is_parsed() -> None:
    text = (
        "registry.hokus.ai wants you to sign in with your Ethereum account:\n"
        f"{ACCOUNT.address.lower()}\n\n\n"
        "URI: https://registry.hokus.ai/api/auth/token\nVersion: 1\nChain ID: 1\n"
        "Nonce: 32891756abc\nIssued At: 2026-03-01T12:00:00Z"
    )
    assert parse(text) == MESSAGE


def test_a_signed_message_is_verified() -> None:
    message = verify(
        FULL, "0x" + sign(FULL), hosts=HOSTS, now=NOW, max_age=MAX_AGE, clock_skew=CLOCK_SKEW
    )
    assert message == parse(FULL)


def test_a_message_signed_by_another_wallet_is_refused() -> None:
    other = Account.from_key("0x" + "02" * 32)
    text = replace(MESSAGE, address=other.address).text()
    with pytest.raises(InvalidSignatureError, match="was not signed by"):
        verify(text, sign(text), hosts=HOSTS, now=NOW, max_age=MAX_AGE, clock_skew=CLOCK_SKEW)


def test_the_signature_of_another_message_is_refused() -> None:
    with pytest.raises(InvalidSignatureError, match="was not signed by"):
        verify(
            FULL, sign(MESSAGE.text()), hosts=HOSTS, now=NOW, max_age=MAX_AGE, clock_skew=CLOCK_SKEW
        )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (" wants you", " wants  you", "begin with the line"),
        ("https://registry.hokus.ai wants", "//registry.hokus.ai wants", "begin with the line"),
        ("https://registry", "https://evil@registry", "begin with the line"),
        ("https://registry.hokus.ai wants", " wants", "begin with the line"),
        ("account:\n", "account:\r\n", "begin with the line"),
        (ACCOUNT.address, ACCOUNT.address[:-1], "not a valid Ethereum address"),
        ("\n\nI accept", "\nI accept", "blank line after the address"),
        ("tos\n\n", "tos\n", "blank line before the URI"),
        ("I accept", "I\taccept", "not printable ASCII"),
        ("I accept", "I äccept", "not printable ASCII"),
        ("I accept", "I accept\nall", "blank line before the URI"),
        ("URI: https://", "URI: //", "URI is malformed"),
        ("%2F", "%2", "URI is malformed"),
        ("Version: 1", "Version: 2", "Version is malformed"),
        ("Version: 1\n", "", "Version is missing"),
        ("Chain ID: 8453", "Chain ID: 0x1", "Chain ID is malformed"),
        ("Chain ID: 8453", "Chain ID: \u0661", "Chain ID is malformed"),
        ("Chain ID: 8453", "Chain ID: " + "9" * 5000, "Chain ID is malformed"),
        ("Nonce: 32891756", "Nonce: 3289175", "Nonce is malformed"),
        ("Nonce: 32891756", "Nonce: 32891756-", "Nonce is malformed"),
        ("Nonce: ", "nonce: ", "Nonce is missing"),
        ("Issued At: 2026-03-01T12:00:00.123Z", "Issued At: today", "Issued At is malformed"),
        ("12:00:00.123Z", "12:00:00.123", "Issued At is malformed"),
        ("2026-03-01T12:00:00.123Z", "2026-02-30T12:00:00Z", "Issued At is not a valid date"),
        ("+02:00", "+99:99", "Expiration Time is not a valid date"),
        ("Not Before: 2026-03-01T11", "Not Before: 2026-03-01T25", "Not Before is not a valid"),
        ("Request ID: a-1", "Request ID: a b", "Request ID is malformed"),
        ("Request ID: a-1", "Request ID: a-1\nRequest ID: a-2", "does not define"),
        ("Resources:", "Resources: ", "does not define"),
        ("- https", "* https", "form `- URI`"),
        ("claim.json", "claim.json\n", "form `- URI`"),
    ],
)
def test_a_malformed_line_is_refused(old: str, new: str, words: str) -> None:
    text = FULL.replace(old, new, 1)
    assert text != FULL
    with pytest.raises(InvalidSignatureError, match=words):
        parse(text)


@pytest.mark.parametrize("count", range(1, 10))
def test_a_truncated_message_is_refused(count: int) -> None:
    with pytest.raises(InvalidSignatureError):
        parse("\n".join(FULL.split("\n")[:count]))


def test_a_message_has_a_maximum_length() -> None:
    with pytest.raises(InvalidSignatureError, match="longer than"):
        parse(replace(MESSAGE, statement="a" * MAX_LENGTH).text())


@pytest.mark.parametrize(
    "change",
    [
        {"domain": "evil.example"},
        {"domain": "registry.hokus.ai:8443"},
        {"domain": "registry.hokus.ai.evil.example"},
        {"scheme": "ftp"},
        {"uri": "https://evil.example/"},
        {"uri": "https://registry.hokus.ai@evil.example/"},
        {"uri": "https://registry.hokus.ai:8443/"},
        {"uri": "ipfs://registry.hokus.ai/"},
        {"uri": "https:registry.hokus.ai"},
        {"uri": "https://[registry.hokus.ai/"},
    ],
)
def test_a_message_for_another_site_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(InvalidSignatureError, match="SIWE message"):
        check(parse(replace(MESSAGE, **change).text()))  # type: ignore[arg-type]


def test_a_host_may_have_a_port_and_any_casing() -> None:
    message = replace(MESSAGE, domain="LocalHost:8000", uri="http://localhost:8000/")
    assert parse(message.text()).domain == "LocalHost:8000"
    check(message)


@pytest.mark.parametrize(
    ("change", "fresh"),
    [
        ({"issued_at": NOW - timedelta(seconds=300)}, True),
        ({"issued_at": NOW - timedelta(seconds=301)}, False),
        ({"issued_at": NOW + timedelta(seconds=60)}, True),
        ({"issued_at": NOW + timedelta(seconds=61)}, False),
        ({"expiration_time": NOW + timedelta(seconds=1)}, True),
        ({"expiration_time": NOW}, False),
        ({"not_before": NOW}, True),
        ({"not_before": NOW + timedelta(seconds=60)}, True),
        ({"not_before": NOW + timedelta(seconds=61)}, False),
    ],
)
def test_a_message_is_fresh_or_stale(change: dict[str, datetime], fresh: bool) -> None:
    message = parse(replace(MESSAGE, **change).text())  # type: ignore[arg-type]
    if fresh:
        check(message)
        assert message.nonce == MESSAGE.nonce
    else:
        with pytest.raises(StaleSignatureError):
            check(message)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_extreme_times_are_stale(time: str) -> None:
    text = MESSAGE.text().replace("2026-03-01T12:00:00Z", time)
    with pytest.raises(StaleSignatureError):
        check(parse(text))


times = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)
uris = st.builds(
    "{}:{}".format,
    st.sampled_from(["https", "ipfs", "urn"]),
    st.text(alphabet=string.ascii_letters + string.digits + "/?#[]@!$&'()*+,;=-._~:"),
)
messages = st.builds(
    SIWEMessage,
    domain=st.text(alphabet=string.ascii_lowercase + string.digits + ".:[]-", min_size=1),
    address=st.just(ACCOUNT.address),
    uri=uris,
    chain_id=st.integers(0, 2**256 - 1),
    nonce=st.text(alphabet=string.ascii_letters + string.digits, min_size=8, max_size=90),
    issued_at=times,
    scheme=st.none() | st.sampled_from(["https", "http", "app+x"]),
    statement=st.none() | st.text(alphabet=[chr(code) for code in range(32, 127)], min_size=1),
    expiration_time=st.none() | times,
    not_before=st.none() | times,
    request_id=st.none() | st.text(alphabet=string.ascii_letters + string.digits + "-._~:@"),
    resources=st.lists(uris, max_size=4).map(tuple),
)


@given(messages)
def test_a_formatted_message_is_parsed_to_the_same(message: SIWEMessage) -> None:
    assert parse(message.text()) == message


@given(
    message=messages | st.just(parse(FULL)),
    start=st.integers(0, 600),
    length=st.integers(0, 20),
    new=st.text(max_size=20) | st.sampled_from(["\n", "\n\n", "URI: ", "Nonce: ", "\r", "%", "["]),
)
def test_parsing_a_changed_message_raises_no_other_error(
    message: SIWEMessage, start: int, length: int, new: str
) -> None:
    text = message.text()
    mutated = text[:start] + new + text[start + length :]
    try:
        read = parse(mutated)
        check(read)
    except (InvalidSignatureError, StaleSignatureError) as error:
        assert "SIWE message" in error.message  # noqa: PT017
    else:
        assert read.domain.lower() in HOSTS


@given(st.text())
def test_parsing_any_text_raises_no_other_error(text: str) -> None:
    with pytest.raises(InvalidSignatureError):
        parse(text)
