"""How pages write values: short ids, times, numbers and their changes, badges.

Filters that return `Markup` escape what is in it.
"""

import json
import math
from datetime import UTC, datetime

from markupsafe import Markup, escape

from app.core.ethereum import is_address
from app.database.engine import now
from app.web.user_agents import browser

MINUS = "\N{MINUS SIGN}"
# The largest number of each unit, and the unit's seconds and name.
_UNITS = ((60, 1, "second"), (60, 60, "minute"), (24, 3600, "hour"), (30, 86400, "day"))
# What a claim rests on, and what has become of it: the words of all badges.
BADGES = {
    "proven": "An arithmetic proof over committed labels and predictions shows it.",
    "witnessed": "The gateway has read these numbers in MLflow.",
    "claimed": "The caller has stated these numbers.",
    "withdrawn": "The registration was withdrawn; nothing builds on it any more.",
    "revoked": "The attestation was revoked, and no longer holds.",
    "deleted": "The version no longer exists in MLflow.",
    "private": "Only its own tenant can see it.",
}


def short(text: str) -> str:
    """The first and last characters of an address, id or hash."""
    if len(text) <= 14:
        return text
    head = 8 if text.startswith(("hkm_", "hkb_", "hkp_")) else 6
    return f"{text[:head]}…{text[-4:]}"


def ident(text: str, href: str | None = None) -> Markup:
    """An address, id or hash: short, whole on hover, and with a button that copies it.

    href: where it leads. Scripts show the button, which does nothing without them.
    """
    named = (
        Markup('<a href="{}" class="mono" title="{}">{}</a>').format(href, text, short(text))
        if href
        else Markup('<span class="mono" title="{}">{}</span>').format(text, short(text))
    )
    return Markup(
        '<span class="ident">{}<button type="button" class="copy" data-copy="{}" '
        'aria-label="Copy {}" hidden></button></span>'
    ).format(named, text, short(text))


def tenant(name: str) -> Markup:
    """The name of a tenant: short and whole on hover where it is the address of a wallet."""
    if not is_address(name):
        return escape(name)
    return Markup('<span class="mono" title="{}">{}</span>').format(name, short(name))


def moment(time: datetime) -> Markup:
    """A time as it is spoken of, with the exact one on hover and for programs."""
    utc = time.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M:%S} UTC", relative(utc, now())
    )


def relative(time: datetime, at: datetime) -> str:
    """A time relative to another one, such as `2 days ago`; a date where it is a month away."""
    seconds = (at - time).total_seconds()
    amount = abs(seconds)
    if amount < 10:
        return "just now"
    for largest, unit, name in _UNITS:
        # What is to come is rounded: a session of seven days does not end in six.
        number = int(amount / unit) if seconds > 0 else round(amount / unit)
        if number < largest:
            words = f"{number} {name}" + ("" if number == 1 else "s")
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return f"{time:%Y-%m-%d}"


def number(value: float, digits: int = 4) -> str:
    """A number with as many significant digits as it deserves, and a real minus sign."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif 1e-4 <= abs(value) < 1e15:
        whole = len(str(int(abs(value))))
        # Zeros after the point are not significant: 0.00123 has three digits.
        before = math.floor(math.log10(abs(value))) + 1 if abs(value) < 1 else whole
        text = f"{value:,.{max(digits - before, 0 if whole >= digits else 1)}f}"
        if "." in text:
            # Three decimals of a fraction, so that 0.85 and 0.881 stand below each other.
            fewest = 3 if 0.1 <= abs(value) < 1 else 0
            kept = len(text.rstrip("0")) - text.index(".") - 1
            text = f"{value:,.{max(kept, fewest)}f}"
    else:
        text = f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e+")
    return text.replace("-", MINUS)


def percent(value: float, digits: int = 1) -> str:
    """A part of a whole, in percent: 0.625 is `62.5 %`."""
    return f"{100 * value:,.{digits}f} %".replace("-", MINUS)


def change(baseline: float, improved: float, delta: float, *, higher_is_better: bool) -> str:
    """The difference of two values of a metric, with its sign.

    In percentage points where both are fractions of which a higher one is better, as the accuracy
    is and a latency in seconds is not.
    """
    sign = "+" if delta > 0 else MINUS if delta < 0 else "±"
    if higher_is_better and min(baseline, improved) >= 0 and max(baseline, improved) <= 1:
        points = abs(100 * delta)
        digits = 1 if points >= 0.1 or not points else 2 if points >= 0.01 else 4
        return f"{sign}{points:.{digits}f} pp"
    return f"{sign}{number(abs(delta), 3)}"


def badge(kind: str) -> Markup:
    """What a claim rests on, or what has become of it: see `BADGES`."""
    return Markup('<span class="badge {}" title="{}">{}</span>').format(kind, BADGES[kind], kind)


def size(amount: int) -> str:
    """A number of bytes, in the unit in which it is short."""
    if amount < 1000:
        return count(amount, "byte")
    value, units = amount / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:,.0f} {units[0]}" if value >= 1000 else f"{value:.3g} {units[0]}"


def written(value: object) -> str:
    """A value of any JSON: a text as it is, all else in JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def count(amount: int, name: str, names: str | None = None) -> str:
    """An amount with the name of what it counts. names: the plural, unless it ends in s."""
    return f"{amount:,} {name if amount == 1 else names or f'{name}s'}"


FILTERS = {
    "badge": badge,
    "browser": browser,
    "count": count,
    "ident": ident,
    "moment": moment,
    "number": number,
    "percent": percent,
    "short": short,
    "size": size,
    "tenant": tenant,
    "written": written,
}
