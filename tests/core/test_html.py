"""The gateway's pages contain no script, and their policy allows only their own stylesheet."""

import base64
import hashlib
import re

from app.core.html import HEADERS, webpage


def test_the_title_is_escaped_and_the_rest_is_inserted() -> None:
    page = webpage("a < b", skip="Skip", header="<p>header</p>\n", main="\n<p>main</p>")
    assert page.startswith("<!doctype html>")
    assert "<title>a &lt; b</title>" in page
    assert "<h1>a &lt; b</h1>" in page
    assert '<a class="skip" href="#main">Skip</a>' in page
    assert "<p>header</p>\n</header>" in page
    assert '<main id="main">\n<p>main</p>\n</main>' in page


def test_the_policy_allows_the_stylesheet_by_its_hash_and_nothing_else() -> None:
    page = webpage("t", skip="s", header="h", main="m")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = HEADERS["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy
    assert HEADERS["referrer-policy"] == "no-referrer"
