"""Bounds the memory that is held for clients, in sum and for each client address."""

from collections.abc import Callable


class HeldMemory:
    """Counts the bytes that are held for clients, and ends what is held longest above a bound.

    Refusing what comes new would let a few slow clients keep all others out. What is ended is that
    of the address that holds the most, so that it meets others only where they hold as much.

    total: bytes in all. per_address: bytes for one client address.
    ended: how often something was ended, since the start.
    """

    def __init__(self, *, total: int, per_address: int) -> None:
        self.total = total
        self.per_address = per_address
        self.size = 0
        self.ended = 0
        # By address, in the order in which they began; and their bytes.
        self._holdings: dict[str, dict[Holding, None]] = {}
        self._sizes: dict[str, int] = {}

    def hold(self, address: str, on_end: "Callable[[bool], None]") -> "Holding":
        """Begin to hold memory, none at first, for a client address.

        on_end: called if this holding is ended to keep to a bound; with whether it is that of its
        address. It has to free the memory soon.
        """
        return Holding(self, address, on_end)

    def size_of(self, address: str) -> int:
        """Bytes held for an address."""
        return self._sizes.get(address, 0)

    def _grow(self, grown: "Holding", size: int) -> None:
        self._holdings.setdefault(grown.address, {})[grown] = None
        grown.size += size
        self.size += size
        self._sizes[grown.address] = self.size_of(grown.address) + size
        # Both end: at the latest when `grown` itself is ended, which made the sum too large.
        while self.size_of(grown.address) > self.per_address:
            self._end_first(grown.address, of_address=True, otherwise=grown)
        while self.size > self.total:
            heaviest = max(self._sizes, key=self.size_of)
            self._end_first(heaviest, of_address=False, otherwise=grown)

    def _end_first(self, address: str, *, of_address: bool, otherwise: "Holding") -> None:
        """End the first holding of an address that may be ended, or `otherwise`."""
        holdings = self._holdings.get(address, {})
        ended = next((one for one in holdings if one.may_end), otherwise)
        self.ended += 1
        ended.release()
        ended.on_end(of_address)

    def _release(self, holding: "Holding") -> None:
        holdings = self._holdings.get(holding.address)
        if holdings is None or holding not in holdings:
            return
        del holdings[holding]
        self.size -= holding.size
        self._sizes[holding.address] -= holding.size
        if not holdings:
            del self._holdings[holding.address], self._sizes[holding.address]
        holding.size = 0


class Holding:
    """Memory held for one client.

    size: bytes. may_end: whether it may be ended while another one grows.
    """

    __slots__ = ("_memory", "address", "may_end", "on_end", "size")

    def __init__(self, memory: HeldMemory, address: str, on_end: Callable[[bool], None]) -> None:
        self._memory = memory
        self.address = address
        self.on_end = on_end
        self.size = 0
        self.may_end = True

    def grow(self, size: int) -> None:
        """Count further bytes; above a bound this ends other holdings, or this one."""
        self._memory._grow(self, size)

    def release(self) -> None:
        """Count its bytes no longer."""
        self._memory._release(self)
