"""What all HTML pages of the gateway share: their headers; and the frame of the API's references.

The references have one style, no scripts, and load nothing, so that they can be kept as text.
`app.web` renders all other pages.
"""

import base64
import hashlib
from html import escape
from importlib.resources import files

_STYLE = files("app.core").joinpath("webpage.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def page_headers(**sources: str) -> dict[str, str]:
    """The response headers of a page, which loads nothing but what the sources allow.

    sources: of the Content-Security-Policy, by directive, such as `img_src="'self'"`.
    """
    allowed = {
        "default_src": "'none'",
        **sources,
        "base_uri": "'none'",
        "frame_ancestors": "'none'",
    }
    policy = "; ".join(f"{name.replace('_', '-')} {value}" for name, value in allowed.items())
    return {
        "content-security-policy": policy,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        # Not `no-referrer`, with which browsers send `Origin: null` with the page's own forms
        # (Fetch, "append a request `Origin` header").
        "referrer-policy": "same-origin",
    }


# The response headers of a page that `render_page` makes.
PAGE_HEADERS = page_headers(style_src=f"'sha256-{_STYLE_HASH}'", form_action="'none'")


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
<div class="top"><a href="/">Hokusai</a></div>
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
