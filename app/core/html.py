"""The frame of the gateway's HTML pages: one style, no scripts, nothing from other hosts."""

import base64
import hashlib
from html import escape
from importlib.resources import files

_STYLE = files("app.core").joinpath("webpage.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The response headers of a page. The policy allows the style by its hash, and nothing else.
PAGE_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


def render_page(title: str, *, skip_link: str, header: str, main: str) -> str:
    """A whole page.

    title: text, which is escaped here. skip_link: the words of the link that skips the header.
    header, main: HTML, in which everything is escaped already.
    """
    title = escape(title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<a class="skip" href="#main">{escape(skip_link)}</a>
<header>
<h1>{title}</h1>
{header.strip()}
</header>
<main id="main">
{main.strip()}
</main>
</body>
</html>
"""


def render_section(anchor: str, title: str, body: str, *, note: str = "") -> str:
    """A section of a page, with a heading that links can refer to.

    anchor, title, note: text, which is escaped here. note: a remark beside the heading, if any.
    body: HTML, in which everything is escaped already.
    """
    anchor, title = escape(anchor), escape(title)
    beside = f'<span class="count">{escape(note)}</span>' if note else ""
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-name">\n'
        f'<div><h2 id="{anchor}-name">{title}</h2>{beside}</div>\n{body.strip()}\n</section>\n'
    )
