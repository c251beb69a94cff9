"""A small picture of an Ethereum address, by which people tell addresses apart at a glance.

It is a help to the eye only: other addresses can be found whose picture looks alike.
"""

import hashlib

from markupsafe import Markup

CELLS = 5


def identicon(address: str, size: int = 24) -> Markup:
    """Inline SVG with five by five cells, the left half mirrored. size: in CSS pixels.

    The same for all casings of an address. Hidden from screen readers, since the address itself is
    always beside it.
    """
    digest = hashlib.sha256(address.lower().encode()).digest()
    hue = int.from_bytes(digest[:2], "big") % 360
    bits = int.from_bytes(digest[2:4], "big")
    half = (CELLS + 1) // 2
    cells = [
        (across, down)
        for down in range(CELLS)
        for column in range(half)
        if bits >> (down * half + column) & 1
        for across in sorted({column, CELLS - 1 - column})
    ]
    path = "".join(f"M{across} {down}h1v1h-1z" for across, down in cells)
    return Markup(
        '<svg class="identicon" width="{0}" height="{0}" viewBox="-0.5 -0.5 6 6" '
        'aria-hidden="true"><path d="{1}" fill="hsl({2} 55% 52%)"/></svg>'
    ).format(size, path, hue)
