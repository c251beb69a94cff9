"""What the gateway's pages share: no script, nothing from elsewhere, one style by its hash."""

import base64
import hashlib
from html import escape
from importlib.resources import files

_STYLE = files("app.core").joinpath("webpage.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


def webpage(title: str, *, skip: str, header: str, main: str) -> str:
    """A whole page. title is text; skip (the words of the link past the header), header and main
    are HTML, with everything in them escaped."""
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
