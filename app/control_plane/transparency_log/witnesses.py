"""The witnesses of the log, from the settings, and the requests to them (C2SP tlog-witness)."""

import asyncio
import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from app.control_plane.transparency_log.cosignature import WitnessKey
from app.core.errors import StartupError

# Seconds for one request, and bytes of a response.
TIMEOUT = 5.0
MAX_RESPONSE = 16 * 1024
# A note has at most 16 signatures (C2SP signed-note), and the first one is the log's.
MAX_WITNESSES = 15
_SIZE = re.compile(r"(0|[1-9][0-9]{0,17})\n?")


class WitnessError(Exception):
    """A witness did not cosign. reason: one word for the log of the gateway."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OtherSizeError(Exception):
    """The witness has cosigned the log at another size than was assumed."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


@dataclass(frozen=True, slots=True)
class Witness:
    """One witness. url: the prefix of its path `/add-checkpoint`."""

    key: WitnessKey
    url: str


def parse_witnesses(texts: Sequence[str]) -> list[Witness]:
    """The witnesses of HOKUSAI_WITNESSES, each a key and a URL. Raises StartupError."""
    witnesses = []
    for text in texts:
        key, _, url = text.partition(" ")
        try:
            witnesses.append(Witness(WitnessKey.parse(key), url.strip().rstrip("/")))
        except ValueError as error:
            raise StartupError(f"HOKUSAI_WITNESSES: {error}") from None
    if len({str(one.key) for one in witnesses}) < len(witnesses):
        raise StartupError("HOKUSAI_WITNESSES: a witness is there twice")
    if len(witnesses) > MAX_WITNESSES:
        raise StartupError(f"HOKUSAI_WITNESSES: a log has at most {MAX_WITNESSES} witnesses")
    return witnesses


class WitnessClient:
    """Sends checkpoints to witnesses. No request takes longer than `TIMEOUT`."""

    def __init__(self) -> None:
        # `trust_env` off: a proxy variable in the environment must not reroute the requests.
        self._http = httpx.AsyncClient(trust_env=False, headers={"Accept-Encoding": "identity"})

    async def close(self) -> None:
        await self._http.aclose()

    async def add_checkpoint(
        self, witness: Witness, old: int, proof: Sequence[bytes], note: str
    ) -> str:
        """The signature lines of a witness's response.

        old: the size that it has cosigned last. proof: that the checkpoint extends that tree.
        Raises OtherSizeError and WitnessError.
        """
        lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
        body = f"old {old}\n{lines}\n{note}"
        try:
            async with asyncio.timeout(TIMEOUT):
                status, text = await self._post(f"{witness.url}/add-checkpoint", body)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise WitnessError(type(error).__name__) from None
        if status == httpx.codes.CONFLICT:
            size = _SIZE.fullmatch(text)
            if size is not None and int(size[1]) != old:
                raise OtherSizeError(int(size[1]))
        if status != httpx.codes.OK:
            raise WitnessError(f"status_{status}")
        return text

    async def _post(self, url: str, body: str) -> tuple[int, str]:
        """Status and text. Raises httpx.HTTPError and ValueError."""
        async with self._http.stream(
            "POST", url, content=body.encode(), follow_redirects=False, timeout=TIMEOUT
        ) as response:
            received = b""
            async for part in response.aiter_raw():
                received += part
                if len(received) > MAX_RESPONSE:
                    raise ValueError("the response is too long")
        return response.status_code, received.decode()
