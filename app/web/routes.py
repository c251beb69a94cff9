"""All pages: their routes, and which of them need no credential."""

from app.web.pages import home

ROUTES = (*home.router.routes,)
PUBLIC = home.PUBLIC
