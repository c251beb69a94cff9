"""All pages: their routes, and which of them need no credential."""

from app.web.pages import home, models, verify

ROUTES = (
    *home.router.routes,
    *models.router.routes,
    *verify.router.routes,
)
PUBLIC = home.PUBLIC | verify.PUBLIC
