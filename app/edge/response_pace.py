"""Slows down responses that cost their client nothing: refusals, and what no limit counts.

Such a response takes a tenth of a millisecond of CPU time. A client that sends the next request at
once, on many connections, would slow down everybody else with nothing but these.
"""

import asyncio
import time

# For one client address: how many responses are sent without delay, and how many a second after.
BURST = 100
PER_SECOND = 100
# Responses that may wait at once: each holds its request.
MAX_WAITING = 1000
# Addresses that are remembered, each for as long as its responses are delayed, or would be soon.
MAX_ADDRESSES = 10_000


class ResponsePace:
    """Delays responses so that a client address gets about `PER_SECOND` of them.

    max_delay: seconds that a response is delayed at most. people: how many times `BURST` are sent
    without delay, where people behind one address share it.
    """

    def __init__(self, max_delay: float, *, people: int = 1) -> None:
        self.max_delay = max_delay
        self._people = people
        # How many are delayed at present.
        self.waiting = 0
        # By address: when all of its responses so far would have been sent at that pace.
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        """The number of addresses that are remembered."""
        return len(self._due)

    async def wait(self, address: str) -> None:
        """Wait until the next response to an address may be sent.

        Where `MAX_WAITING` others wait, it is sent at once.
        """
        delay = self._delay(address, time.monotonic())
        if delay <= 0 or self.waiting >= MAX_WAITING:
            return
        self.waiting += 1
        try:
            await asyncio.sleep(delay)
        finally:
            self.waiting -= 1

    def _delay(self, address: str, now: float) -> float:
        if len(self._due) >= MAX_ADDRESSES and address not in self._due:
            self._due = {one: due for one, due in self._due.items() if due > now}
            if len(self._due) >= MAX_ADDRESSES:
                return 0
        due = max(self._due.get(address, now), now) + 1 / PER_SECOND
        without_delay = self._people * BURST / PER_SECOND
        self._due[address] = min(due, now + without_delay + self.max_delay)
        return min(due - now - without_delay, self.max_delay)
