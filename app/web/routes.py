"""All pages: their routes, and which of them need no credential."""

from app.web.pages import account, home, models, sign_in, verify

ROUTES = (
    *home.router.routes,
    *models.router.routes,
    *verify.router.routes,
    *sign_in.router.routes,
    *account.router.routes,
)
PUBLIC = home.PUBLIC | verify.PUBLIC | sign_in.PUBLIC
