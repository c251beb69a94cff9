"""Which requests need no credential."""


class PublicRoutes:
    """Routes that need no credential: pairs of method and path, and whole directories of files.

    routes: of these, other methods are refused with 405. A session is noticed on them, so that a
        page can show who is signed in.
    files: beginnings of paths, each with a slash at its end, below which every GET and HEAD is
        public; such a request is not authenticated, and counts on no rate limit.
    below: beginnings of paths, each with a slash at its end, below which every GET is as one of
        `routes`.
    """

    def __init__(
        self,
        routes: frozenset[tuple[str, str]],
        files: tuple[str, ...] = (),
        below: tuple[str, ...] = (),
    ) -> None:
        self._routes = routes
        self._files = files
        self._below = below
        self._allowed = {
            path: ", ".join(sorted(method for method, other in routes if other == path))
            for _, path in routes
        }

    def has(self, method: str, path: str) -> bool:
        """Whether a route needs no credential."""
        return (method, path) in self._routes or (method == "GET" and path.startswith(self._below))

    def has_file(self, method: str, path: str) -> bool:
        """Whether a request is one for a public file."""
        return method in ("GET", "HEAD") and path.startswith(self._files)

    def allowed(self, path: str) -> str | None:
        """The methods of a public path, for the header Allow; None for any other path."""
        return "GET" if path.startswith(self._below) else self._allowed.get(path)
