"""The endpoint that shows the caller's rate limit."""

from tests.support.gateway import RunningGateway
from tests.support.responses import good


def test_limits_shows_the_state_of_the_callers_limit(strict: RunningGateway) -> None:
    with strict.client(strict.key(rate_limit=7)) as client:
        answer = client.get("/api/limits")
    shown = good(answer)
    assert shown == {"limit": 7, "remaining": 6, "reset": shown["reset"], "window": 3600}
    assert {name: answer.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining")} == {
        "Limit": "7",
        "Remaining": "6",
    }
    assert str(shown["reset"]) == answer.headers["RateLimit-Reset"]
