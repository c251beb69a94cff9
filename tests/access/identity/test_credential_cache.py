"""A worker's memory of credentials, under a clock of the test's own."""

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


def memory(clock: Clock) -> CredentialCache:
    listening = CredentialCache(clock=clock)
    listening.listening = True
    return listening


def test_what_was_found_is_known_for_thirty_seconds_at_most() -> None:
    clock = Clock()
    one = memory(clock)
    found = credential("a")
    one.put(b"a", found, one.generation)
    assert LIFETIME <= 30
    clock.now += LIFETIME
    assert one.get(b"a") is found
    clock.now += 0.001
    assert one.get(b"a") is None


def test_use_does_not_lengthen_the_time() -> None:
    clock = Clock()
    one = memory(clock)
    one.put(b"a", credential("a"), one.generation)
    for _ in range(31):
        one.get(b"a")
        clock.now += 1
    assert one.get(b"a") is None


def test_nothing_is_remembered_while_nobody_listens() -> None:
    one = CredentialCache(clock=Clock())
    one.put(b"a", credential("a"), one.generation)
    assert one.get(b"a") is None


def test_a_lookup_that_began_before_a_notification_is_not_remembered() -> None:
    one = memory(Clock())
    began = one.generation
    # Meanwhile the key is revoked: the lookup may have read it as it was before.
    one.invalidate("a")
    one.put(b"a", credential("a"), began)
    assert one.get(b"a") is None
    one.put(b"a", credential("a"), one.generation)
    assert one.get(b"a") is not None


def test_a_lookup_that_began_before_the_connection_was_lost_is_not_remembered() -> None:
    one = memory(Clock())
    began = one.generation
    one.listening = False
    one.clear()
    one.listening = True
    one.put(b"a", credential("a"), began)
    assert one.get(b"a") is None


def test_a_listener_that_never_comes_up_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr(credential_cache, "log", log)
    monkeypatch.setattr(credential_cache, "RETRY", 0.0)

    class Away:
        tries = 0

        async def connect(self) -> None:
            self.tries += 1
            if self.tries == 5:
                raise asyncio.CancelledError
            raise ConnectionRefusedError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(CredentialCache().listen(Away()))  # type: ignore[arg-type]
    log.warning.assert_called_once_with("credentials.listener_lost", error="ConnectionRefusedError")


def test_forgetting_one_leaves_the_others() -> None:
    one = memory(Clock())
    for name in ("a", "b"):
        one.put(name.encode(), credential(name), one.generation)
    # The same key under two peppers.
    one.put(b"a again", credential("a"), one.generation)
    one.invalidate("a")
    assert [one.get(digest) is None for digest in (b"a", b"a again", b"b")] == [True, True, False]


def test_the_memory_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_cache, "CAPACITY", 3)
    one = memory(Clock())
    for name in "abcd":
        one.put(name.encode(), credential(name), one.generation)
    assert [one.get(name.encode()) is not None for name in "abcd"] == [False, True, True, True]


def test_uses_are_told_by_id() -> None:
    one = memory(Clock())
    for name, at in (("a", 5.0), ("b", 10.0)):
        found = credential(name)
        found.used_at = at
        one.put(name.encode(), found, one.generation)
    assert one.used_since(7.0) == {"b": 10.0}


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
def test_no_order_of_events_keeps_a_revoked_key_alive(actions: list[tuple[str, int]]) -> None:
    """Lookups take time; a revocation is committed first and its notification comes later."""
    clock = Clock()
    one = memory(clock)
    revoked: dict[int, float] = {}
    told: set[int] = set()
    undelivered: list[int] = []
    lookups: list[tuple[int, int]] = []
    for act, number in actions:
        match act:
            case "begin":
                if number not in revoked:  # the database still calls it good
                    lookups.append((number, one.generation))
            case "finish":
                for key, generation in [each for each in lookups if each[0] == number]:
                    one.put(bytes([key]), credential(str(key)), generation)
                lookups = [each for each in lookups if each[0] != number]
            case "revoke":
                if number not in revoked:
                    revoked[number] = clock.now
                    undelivered.append(number)
            case "deliver":
                for key in undelivered:
                    one.invalidate(str(key))
                told |= set(undelivered)
                undelivered = []
            case "wait":
                clock.now += number
        for key in told:
            assert one.get(bytes([key])) is None
