"""Names of browsers."""

import pytest

from app.web.user_agents import LONGEST, browser

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{CHROME} Safari/537.36", "Chrome 131 on Linux"),
        (f"{CHROME} Safari/537.36 Edg/131.0", "Edge 131 on Linux"),
        (f"{CHROME} Safari/537.36 OPR/116.0", "Opera 116 on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Firefox 145 on Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
            "Gecko) Version/18.1 Safari/605.1.15",
            "Safari 18 on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
            "like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari 18 on iPhone",
        ),
        ("Chrome/99", "Chrome 99"),
        ("curl/8.5", "curl/8.5"),
        ("x" * 100, "x" * LONGEST + "…"),
        ("", "not named"),
        (None, "not named"),
    ],
)
def test_a_browser_is_named_as_people_know_it(user_agent: str | None, name: str) -> None:
    assert browser(user_agent) == name
