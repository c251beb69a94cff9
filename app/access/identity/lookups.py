"""Looks credentials up in the cache, else in the database, once for all that need one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from app.access.identity.credential_cache import CachedCredential, CredentialCache

C = TypeVar("C", bound=CachedCredential)


class Lookups(Generic[C]):
    """The look-ups of one kind of credential."""

    def __init__(self, cache: CredentialCache) -> None:
        self._cache = cache
        # Those in progress, by digest and generation of the cache.
        self._running: dict[tuple[bytes, int], asyncio.Task[C]] = {}

    async def run(self, digest: bytes, find: Callable[[], Awaitable[C]]) -> C:
        """What `find` finds, which is then cached under the digest. Raises as `find` does.

        Concurrent requests with one credential share a look-up, so that a burst does not use up the
        connections to the database. A look-up that began before an invalidation is not shared.
        """
        number = (digest, self._cache.generation)
        running = self._running.get(number)
        if running is None:
            running = asyncio.create_task(self._find(*number, find))
            self._running[number] = running
            running.add_done_callback(lambda _: self._running.pop(number))
        # Shielded: if the request that began the look-up is cancelled, the others still need it.
        return await asyncio.shield(running)

    async def _find(self, digest: bytes, generation: int, find: Callable[[], Awaitable[C]]) -> C:
        found = await find()
        self._cache.put(digest, found, generation)
        return found
