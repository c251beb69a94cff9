"""Sign-In with Ethereum: the messages of EIP-4361, read, checked and written.

A browser wallet signs such a message to get a token. The reader is strict where a message could
mean two things (order, line breaks, repeats), and follows what wallets send where the text of the
EIP wavers: the address may be in any casing, the statement in any printable ASCII.
"""

import re
from collections import deque
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from app.core.errors import InvalidSignatureError, StaleSignatureError, UnprocessableError
from app.core.ethereum import checksum_address, parse_signature, personal_recover

MAX_LENGTH: Final = 8192

_URI = r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_DATE_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_INTRODUCTION = " wants you to sign in with your Ethereum account:"
_HEADER = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    # No userinfo: `good.example@evil.example` reads like the host it is not.
    r"(?P<domain>(?:[A-Za-z0-9._~!$&'()*+,;=:\[\]-]|%[0-9A-Fa-f]{2})+)" + re.escape(_INTRODUCTION)
)
_STATEMENT = re.compile(r"[\x20-\x7e]+")
_RESOURCE = re.compile(rf"- ({_URI})")

# The labelled lines in their order: what a value looks like, and whether the line has to be there.
_FIELDS = [
    ("URI", re.compile(_URI), True),
    ("Version", re.compile("1"), True),
    ("Chain ID", re.compile("[0-9]{1,78}"), True),
    ("Nonce", re.compile("[A-Za-z0-9]{8,}"), True),
    ("Issued At", re.compile(_DATE_TIME), True),
    ("Expiration Time", re.compile(_DATE_TIME), False),
    ("Not Before", re.compile(_DATE_TIME), False),
    ("Request ID", re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*"), False),
]


@dataclass(frozen=True, slots=True)
class SIWEMessage:
    """The fields of an EIP-4361 message of version 1; times are aware, the address EIP-55."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    scheme: str | None = None
    statement: str | None = None
    expiration_time: datetime | None = None
    not_before: datetime | None = None
    request_id: str | None = None
    resources: tuple[str, ...] = ()

    def text(self) -> str:
        """The message as a wallet signs it, with its times in UTC."""
        origin = f"{self.scheme}://{self.domain}" if self.scheme else self.domain
        lines = [origin + _INTRODUCTION, self.address, ""]
        if self.statement is not None:
            lines.append(self.statement)
        lines += [
            "",
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {_written(self.issued_at)}",
        ]
        if self.expiration_time is not None:
            lines.append(f"Expiration Time: {_written(self.expiration_time)}")
        if self.not_before is not None:
            lines.append(f"Not Before: {_written(self.not_before)}")
        if self.request_id is not None:
            lines.append(f"Request ID: {self.request_id}")
        if self.resources:
            lines.append("Resources:")
            lines += [f"- {resource}" for resource in self.resources]
        return "\n".join(lines)


def verify(
    text: str, signature: str, *, hosts: Set[str], now: datetime, past: float, ahead: float
) -> SIWEMessage:
    """The message of a text, once it is known to be meant for us, fresh, and signed by its address.

    `signature` is 65 bytes in hexadecimal, with or without `0x`; the rest is as for `validate`.
    Whether the nonce is one of ours and unused is left to the caller. Raises
    InvalidSignatureError or StaleSignatureError with the reason.
    """
    message = parse(text)
    validate(message, hosts=hosts, now=now, past=past, ahead=ahead)
    if personal_recover(text.encode(), parse_signature(signature)) != message.address:
        raise InvalidSignatureError(
            f"The signature over the SIWE message is not one of {message.address}."
        )
    return message


def parse(text: str) -> SIWEMessage:
    """Read a message of EIP-4361, of at most 8192 characters.

    Raises InvalidSignatureError that names the first line which is wrong.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidSignatureError(f"The SIWE message is longer than {MAX_LENGTH} characters.")
    lines = deque(text.split("\n"))
    header = _HEADER.fullmatch(lines.popleft())
    if header is None:
        raise InvalidSignatureError(
            "The SIWE message has to begin with a line `<host>" + _INTRODUCTION + "`."
        )
    address = _address(_next(lines))
    statement = _statement(lines)
    fields = _labelled(lines)
    return SIWEMessage(
        domain=header["domain"],
        address=address,
        uri=fields["URI"],
        chain_id=int(fields["Chain ID"]),
        nonce=fields["Nonce"],
        issued_at=_time("Issued At", fields["Issued At"]),
        scheme=header["scheme"],
        statement=statement,
        expiration_time=_time_if_given("Expiration Time", fields),
        not_before=_time_if_given("Not Before", fields),
        request_id=fields.get("Request ID"),
        resources=_resources(lines),
    )


def validate(
    message: SIWEMessage, *, hosts: Set[str], now: datetime, past: float, ahead: float
) -> None:
    """Check that a message is meant for one of our hosts (`host` or `host:port`), and now.

    `now` is an aware time; the message may be `past` seconds old, and its times as much as
    `ahead` seconds ahead of `now`. Raises InvalidSignatureError when it is meant for another
    site, StaleSignatureError when it is of another time.
    """
    if message.domain.lower() not in {host.lower() for host in hosts}:
        raise InvalidSignatureError(
            f"The SIWE message is addressed to another site. It has to name {_any_of(hosts)}."
        )
    if message.scheme is not None and message.scheme.lower() not in ("http", "https"):
        raise InvalidSignatureError("The scheme before the SIWE message's host is not http(s).")
    try:
        uri = urlsplit(message.uri)
    except ValueError:
        raise InvalidSignatureError("The SIWE message's URI cannot be read.") from None
    if uri.scheme not in ("http", "https") or uri.netloc.lower() != message.domain.lower():
        raise InvalidSignatureError(
            f"The SIWE message's URI has to be http(s) and on {message.domain}."
        )
    age = (now - message.issued_at).total_seconds()
    if age > past:
        raise StaleSignatureError(
            f"The SIWE message was issued {age:.0f} seconds ago; {past:.0f} are allowed."
        )
    if -age > ahead:
        raise StaleSignatureError(
            f"The SIWE message was issued {-age:.0f} seconds ahead of the gateway's clock; "
            f"{ahead:.0f} are allowed."
        )
    if message.expiration_time is not None and message.expiration_time <= now:
        raise StaleSignatureError("The SIWE message's Expiration Time has passed.")
    if message.not_before is not None:
        early = (message.not_before - now).total_seconds()
        if early > ahead:
            raise StaleSignatureError("The SIWE message's Not Before is still to come.")


def _next(lines: deque[str]) -> str:
    if not lines:
        raise InvalidSignatureError("The SIWE message ends too early.")
    return lines.popleft()


def _address(line: str) -> str:
    try:
        return checksum_address(line)
    except UnprocessableError:
        raise InvalidSignatureError(
            "The second line of the SIWE message is not an Ethereum address."
        ) from None


def _statement(lines: deque[str]) -> str | None:
    """Take the lines between the address and the URI: blank, blank or blank, statement, blank."""
    _blank(lines, "after the address")
    line = _next(lines)
    if not line:
        return None
    if _STATEMENT.fullmatch(line) is None:
        raise InvalidSignatureError("The SIWE message's statement is not printable ASCII.")
    _blank(lines, "before the URI; without a statement there are two blank lines")
    return line


def _blank(lines: deque[str], where: str) -> None:
    if _next(lines):
        raise InvalidSignatureError(f"The SIWE message needs a blank line {where}.")


def _labelled(lines: deque[str]) -> dict[str, str]:
    fields = {}
    for label, pattern, required in _FIELDS:
        if lines and lines[0].startswith(f"{label}: "):
            value = lines.popleft()[len(label) + 2 :]
            if pattern.fullmatch(value) is None:
                raise InvalidSignatureError(f"The SIWE message's {label} is malformed.")
            fields[label] = value
        elif required:
            raise InvalidSignatureError(
                f"The SIWE message's {label} is missing or not in the order of EIP-4361."
            )
    return fields


def _resources(lines: deque[str]) -> tuple[str, ...]:
    if not lines:
        return ()
    if lines.popleft() != "Resources:":
        raise InvalidSignatureError(
            "The SIWE message has a line that EIP-4361 does not know, or not in this place."
        )
    resources = []
    for line in lines:
        match = _RESOURCE.fullmatch(line)
        if match is None:
            raise InvalidSignatureError("A line under the SIWE message's Resources is not `- URI`.")
        resources.append(match[1])
    return tuple(resources)


def _time(label: str, value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise InvalidSignatureError(f"The SIWE message's {label} does not exist.") from None


def _time_if_given(label: str, fields: dict[str, str]) -> datetime | None:
    value = fields.get(label)
    return None if value is None else _time(label, value)


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _any_of(hosts: Set[str]) -> str:
    return " or ".join(sorted(hosts))
