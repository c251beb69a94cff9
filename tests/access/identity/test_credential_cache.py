"""The cache of credentials, with a clock that the tests set."""

import asyncio
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.identity import credential_cache
from app.access.identity.credential_cache import LIFETIME, CachedCredential, CredentialCache
from app.core.errors import ExpiredKeyError
from app.core.request.principal import Principal


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def credential(name: str) -> CachedCredential:
    principal = Principal(id=f"key:{name}", credential=name, tenant="t", scopes=frozenset())
    return CachedCredential(
        id=name, principal=principal, expires_at=None, expiry_error=lambda: ExpiredKeyError("over")
    )


def new_cache(clock: Clock) -> CredentialCache:
    """An empty cache whose listener is connected."""
    cache = CredentialCache(clock=clock)
    cache.listening = True
    return cache


def test_an_entry_is_used_for_thirty_seconds_at_most() -> None:
    clock = Clock()
    cache = new_cache(clock)
    found = credential("a")
    cache.put(b"a", found, cache.generation)
    assert LIFETIME <= 30
    clock.now += LIFETIME
    assert cache.get(b"a") is found
    clock.now += 0.001
    assert cache.get(b"a") is None


def test_use_does_not_extend_an_entry() -> None:
    clock = Clock()
    cache = new_cache(clock)
    cache.put(b"a", credential("a"), cache.generation)
    for _ in range(31):
        cache.get(b"a")
        clock.now += 1
    assert cache.get(b"a") is None


def test_nothing_is_cached_while_the_listener_is_not_connected() -> None:
    cache = CredentialCache(clock=Clock())
    cache.put(b"a", credential("a"), cache.generation)
    assert cache.get(b"a") is None


def test_a_lookup_that_began_before_an_invalidation_is_not_cached() -> None:
    cache = new_cache(Clock())
    began = cache.generation
    # The key is revoked now; the lookup may have read the row before that.
    cache.invalidate("a")
    cache.put(b"a", credential("a"), began)
    assert cache.get(b"a") is None
    cache.put(b"a", credential("a"), cache.generation)
    assert cache.get(b"a") is not None


def test_a_lookup_that_began_before_the_connection_was_lost_is_not_cached() -> None:
    cache = new_cache(Clock())
    began = cache.generation
    cache.listening = False
    cache.clear()
    cache.listening = True
    cache.put(b"a", credential("a"), began)
    assert cache.get(b"a") is None


async def test_an_outage_of_the_listener_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr(credential_cache, "log", log)
    monkeypatch.setattr(credential_cache, "RETRY", 0.0)

    class Unavailable:
        attempts = 0

        async def connect(self) -> None:
            self.attempts += 1
            if self.attempts == 5:
                raise asyncio.CancelledError
            raise ConnectionRefusedError

    with pytest.raises(asyncio.CancelledError):
        await CredentialCache().listen(Unavailable())  # type: ignore[arg-type]
    log.warning.assert_called_once_with("credentials.listener_lost", error="ConnectionRefusedError")


def test_invalidating_one_credential_keeps_the_others() -> None:
    cache = new_cache(Clock())
    for name in ("a", "b"):
        cache.put(name.encode(), credential(name), cache.generation)
    # The same key, by its digest with another pepper.
    cache.put(b"a again", credential("a"), cache.generation)
    cache.invalidate("a")
    assert [cache.get(digest) is None for digest in (b"a", b"a again", b"b")] == [True, True, False]


def test_the_cache_is_bounded_and_evicts_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_cache, "CAPACITY", 3)
    cache = new_cache(Clock())
    for name in "abcd":
        cache.put(name.encode(), credential(name), cache.generation)
    assert [cache.get(name.encode()) is not None for name in "abcd"] == [False, True, True, True]


def test_last_uses_are_listed_by_credential_id() -> None:
    cache = new_cache(Clock())
    for name, at in (("a", 5.0), ("b", 10.0)):
        found = credential(name)
        found.used_at = at
        cache.put(name.encode(), found, cache.generation)
    assert cache.used_since(7.0) == {"b": 10.0}


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 3)),
        st.tuples(st.just("finish"), st.integers(0, 3)),
        st.tuples(st.just("revoke"), st.integers(0, 3)),
        st.tuples(st.just("deliver"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_no_order_of_events_keeps_a_revoked_key_in_the_cache(
    actions: list[tuple[str, int]],
) -> None:
    """A lookup takes time, and a notification arrives some time after the revocation's commit."""
    clock = Clock()
    cache = new_cache(clock)
    revoked: dict[int, float] = {}
    notified: set[int] = set()
    undelivered: list[int] = []
    lookups: list[tuple[int, int]] = []
    for act, number in actions:
        match act:
            case "begin":
                if number not in revoked:  # the row in the database is still valid
                    lookups.append((number, cache.generation))
            case "finish":
                for key, generation in [each for each in lookups if each[0] == number]:
                    cache.put(bytes([key]), credential(str(key)), generation)
                lookups = [each for each in lookups if each[0] != number]
            case "revoke":
                if number not in revoked:
                    revoked[number] = clock.now
                    undelivered.append(number)
            case "deliver":
                for key in undelivered:
                    cache.invalidate(str(key))
                notified |= set(undelivered)
                undelivered = []
            case "wait":
                clock.now += number
        for key in notified:
            assert cache.get(bytes([key])) is None
