"""A browser's tab, as far as cookies and the headers of its requests go."""

from http.cookies import SimpleCookie
from typing import Any, Self

import httpx

from tests.support.gateway import RunningGateway
from tests.support.responses import good

SIGN_IN = "/api/auth/sign-in"
SESSIONS = "/api/auth/sessions"
# How browsers mark the request of a page's own script.
OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
# The form of a page.
FORM = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Accept": "text/html,*/*;q=0.8",
}
# A link on a page of another site.
LINK = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Accept": "text/html,*/*;q=0.8",
}


class Tab:
    """Requests of the gateway's own pages; it keeps cookies as a browser does."""

    def __init__(self, gateway: RunningGateway, **headers: str) -> None:
        """headers: further ones of every request, with `_` for `-`."""
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        self._client = gateway.client(**extra)
        # Of the session, over plain HTTP.
        self.cookie = f"hokusai_session_{gateway.port}"
        self.cookies: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request with the cookies. headers: by default, those of an own script."""
        sent = dict(OWN if headers is None else headers)
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = self._client.request(method, path, headers=sent, **options)
        self._client.cookies.clear()  # which httpx would send beside these
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return response

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def sign_in(self, key: str) -> Any:
        """Sign in with a key: the session, as the response shows it."""
        return good(self.post(SIGN_IN, json={"key": key}), 201)
