"""The frame of the gateway's HTML pages: no scripts, no external resources, one stylesheet."""

import base64
import hashlib
from html import escape
from importlib.resources import files

_STYLE = files("app.core").joinpath("webpage.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Sent with every page. The policy allows the stylesheet by its hash, and nothing else.
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


def webpage(title: str, *, skip: str, header: str, main: str) -> str:
    """A complete page.

    title: plain text, which is escaped here. skip: the text of the link that skips the header.
    skip, header and main are HTML: the caller escapes what is inserted into them.
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
<a class="skip" href="#main">{skip}</a>
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
