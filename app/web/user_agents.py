"""Names of browsers, as people know them, from the header User-Agent."""

import re

# The first that matches: most browsers also name those that they are built on or pass for.
_BROWSERS = (
    ("Edge", re.compile(r"\bEdg(?:A|iOS)?/(\d+)")),
    ("Opera", re.compile(r"\bOPR/(\d+)")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/(\d+)")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/(\d+)")),
    ("Chrome", re.compile(r"\b(?:Headless)?(?:Chrome|CriOS)/(\d+)")),
    ("Safari", re.compile(r"\bVersion/(\d+)[\d.]* (?:Mobile/\w+ )?Safari/")),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
LONGEST = 48


def browser(user_agent: str | None) -> str:
    """A browser and its system, such as `Firefox 145 on Linux`; the beginning of another text."""
    if not user_agent:
        return "not named"
    system = next((name for word, name in _SYSTEMS if word in user_agent), None)
    for name, pattern in _BROWSERS:
        found = pattern.search(user_agent)
        if found is not None:
            return f"{name} {found[1]}" + (f" on {system}" if system else "")
    return user_agent if len(user_agent) <= LONGEST else f"{user_agent[:LONGEST]}…"
