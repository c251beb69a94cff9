"""Sign-In with Ethereum: parses, verifies and formats the messages of EIP-4361.

A browser wallet signs such a message to get a token. Parsing is strict where a message could be
ambiguous (order, line breaks, repetition). Where the text of the EIP is unclear it accepts what
wallets send: an address in any casing, and a statement of any printable ASCII characters.
"""

import re
from collections import deque
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from app.access.identity.contract_wallets import Accepts, nobody_accepts, require_signature
from app.core.errors import InvalidSignatureError, StaleSignatureError, UnprocessableError
from app.core.ethereum import checksum_address, personal_digest

MAX_LENGTH: Final = 8192

_URI = r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_DATE_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_INTRODUCTION = " wants you to sign in with your Ethereum account:"
_HEADER = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    # No userinfo: `good.example@evil.example` looks like good.example to a person.
    r"(?P<domain>(?:[A-Za-z0-9._~!$&'()*+,;=:\[\]-]|%[0-9A-Fa-f]{2})+)" + re.escape(_INTRODUCTION)
)
_STATEMENT = re.compile(r"[\x20-\x7e]+")
_RESOURCE = re.compile(rf"- ({_URI})")

# The labelled lines in their order: label, pattern of the value, and whether it is required.
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
    """The fields of a message of EIP-4361, version 1.

    address: with the checksum of EIP-55. Times are timezone-aware.
    """

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
        """The text that a wallet signs, with times in UTC."""
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
            f"Issued At: {_format_time(self.issued_at)}",
        ]
        if self.expiration_time is not None:
            lines.append(f"Expiration Time: {_format_time(self.expiration_time)}")
        if self.not_before is not None:
            lines.append(f"Not Before: {_format_time(self.not_before)}")
        if self.request_id is not None:
            lines.append(f"Request ID: {self.request_id}")
        if self.resources:
            lines.append("Resources:")
            lines += [f"- {resource}" for resource in self.resources]
        return "\n".join(lines)


def verify(
    text: str,
    signature: str,
    *,
    hosts: Set[str],
    now: datetime,
    max_age: float,
    clock_skew: float,
    chain_ids: Set[int] = frozenset(),
    accepts: Accepts = nobody_accepts,
) -> SIWEMessage:
    """Parse a message, and verify its host, its times and its signature.

    signature: in hexadecimal: see `parse_wallet_signature`. The other arguments are those of
    `validate`, and: chain_ids, of which the message must name one, if there are any; accepts, as in
    `wallet.verify`. The caller has to verify the nonce. Raises InvalidSignatureError, NotByKeyError
    and StaleSignatureError.
    """
    message = parse(text)
    validate(message, hosts=hosts, now=now, max_age=max_age, clock_skew=clock_skew)
    if chain_ids and message.chain_id not in chain_ids:
        raise InvalidSignatureError(
            f"The SIWE message names the chain {message.chain_id}. It must name "
            f"{' or '.join(map(str, sorted(chain_ids)))}."
        )
    require_signature(
        message.address,
        personal_digest(text.encode()),
        signature,
        accepts,
        f"The SIWE message was not signed by {message.address}.",
    )
    return message


def parse(text: str) -> SIWEMessage:
    """Parse a message of EIP-4361, of at most 8192 characters.

    Raises InvalidSignatureError that names the first malformed line.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidSignatureError(f"The SIWE message is longer than {MAX_LENGTH} characters.")
    lines = deque(text.split("\n"))
    header = _HEADER.fullmatch(lines.popleft())
    if header is None:
        raise InvalidSignatureError(
            "The SIWE message must begin with the line `<host>" + _INTRODUCTION + "`."
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
        expiration_time=_optional_time("Expiration Time", fields),
        not_before=_optional_time("Not Before", fields),
        request_id=fields.get("Request ID"),
        resources=_resources(lines),
    )


def validate(
    message: SIWEMessage, *, hosts: Set[str], now: datetime, max_age: float, clock_skew: float
) -> None:
    """Verify that a message is addressed to one of `hosts`, and valid at the time `now`.

    hosts: the gateway's own, as `host` or `host:port`. now: timezone-aware. max_age: the maximum
    age in seconds since Issued At. clock_skew: how many seconds Issued At and Not Before may be
    ahead of `now`. Raises InvalidSignatureError for another host, StaleSignatureError for the time.
    """
    if message.domain.lower() not in {host.lower() for host in hosts}:
        raise InvalidSignatureError(
            "The SIWE message is addressed to another site. It must name "
            f"{' or '.join(sorted(hosts))}."
        )
    if message.scheme is not None and message.scheme.lower() not in ("http", "https"):
        raise InvalidSignatureError(
            "The scheme before the SIWE message's host must be http or https."
        )
    try:
        uri = urlsplit(message.uri)
    except ValueError:
        raise InvalidSignatureError("The SIWE message's URI is not a valid URI.") from None
    if uri.scheme not in ("http", "https") or uri.netloc.lower() != message.domain.lower():
        raise InvalidSignatureError(
            f"The SIWE message's URI must be http or https, with the host {message.domain}."
        )
    age = (now - message.issued_at).total_seconds()
    if age > max_age:
        raise StaleSignatureError(
            f"The SIWE message was issued {age:.0f} seconds ago; {max_age:.0f} are allowed."
        )
    if -age > clock_skew:
        raise StaleSignatureError(
            f"The SIWE message was issued {-age:.0f} seconds ahead of the gateway's clock; "
            f"{clock_skew:.0f} are allowed."
        )
    if message.expiration_time is not None and message.expiration_time <= now:
        raise StaleSignatureError("The SIWE message's Expiration Time has passed.")
    if message.not_before is not None:
        ahead = (message.not_before - now).total_seconds()
        if ahead > clock_skew:
            raise StaleSignatureError("The SIWE message's Not Before is in the future.")


def _next(lines: deque[str]) -> str:
    if not lines:
        raise InvalidSignatureError("The SIWE message ends too early.")
    return lines.popleft()


def _address(line: str) -> str:
    try:
        return checksum_address(line)
    except UnprocessableError:
        raise InvalidSignatureError(
            "The second line of the SIWE message is not a valid Ethereum address."
        ) from None


def _statement(lines: deque[str]) -> str | None:
    """Consume the lines before the URI: either blank, blank, or blank, statement, blank."""
    _blank(lines, "after the address")
    line = _next(lines)
    if not line:
        return None
    if _STATEMENT.fullmatch(line) is None:
        raise InvalidSignatureError("The SIWE message's statement is not printable ASCII.")
    _blank(lines, "before the URI; without a statement there are two blank lines")
    return line


def _blank(lines: deque[str], position: str) -> None:
    if _next(lines):
        raise InvalidSignatureError(f"The SIWE message needs a blank line {position}.")


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
            "The SIWE message has a line that EIP-4361 does not define, or not in this place."
        )
    resources = []
    for line in lines:
        match = _RESOURCE.fullmatch(line)
        if match is None:
            raise InvalidSignatureError(
                "A line of the SIWE message's Resources is not of the form `- URI`."
            )
        resources.append(match[1])
    return tuple(resources)


def _time(label: str, value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise InvalidSignatureError(
            f"The SIWE message's {label} is not a valid date and time."
        ) from None


def _optional_time(label: str, fields: dict[str, str]) -> datetime | None:
    value = fields.get(label)
    return None if value is None else _time(label, value)


def _format_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
