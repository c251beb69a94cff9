"""The frame of HTML pages."""

import base64
import hashlib
import re

from app.core.html import PAGE_HEADERS, render_page, render_section

NASTY = '"><script>alert(1)</script>&'


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    page = render_page("T", skip_link="S", header="", main="")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = PAGE_HEADERS["content-security-policy"]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def test_a_page_has_its_title_header_and_main_part() -> None:
    page = render_page("A & B", skip_link="Skip", header=" <p>h</p> ", main="<p>m</p>\n")
    assert "<title>A &amp; B</title>" in page
    assert "<h1>A &amp; B</h1>\n<p>h</p>\n</header>" in page
    assert '<main id="main">\n<p>m</p>\n</main>' in page
    assert '<a class="skip" href="#main">Skip</a>' in page
    assert '<a href="/">Hokusai</a>' in page


def test_a_section_is_labelled_by_its_heading() -> None:
    section = render_section("runs", "Runs", "<p>b</p>", note="3 routes")
    assert section.startswith('<section id="runs" aria-labelledby="runs-name">')
    assert '<h2 id="runs-name">Runs</h2><span class="count">3 routes</span>' in section
    assert "<p>b</p>" in section
    assert "span" not in render_section("runs", "Runs", "")


def test_text_is_escaped() -> None:
    page = render_page(NASTY, skip_link=NASTY, header="", main="")
    section = render_section(NASTY, NASTY, "", note=NASTY)
    assert "<script" not in page + section
