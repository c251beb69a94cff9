"""All pages: their routes, and which of them need no credential."""

from app.web.pages import (
    account,
    admin_audit,
    admin_keys,
    admin_tenants,
    attestations,
    benchmarks,
    contributors,
    home,
    log,
    models,
    sign_in,
    verify,
)

ROUTES = (
    *home.router.routes,
    *models.router.routes,
    *benchmarks.router.routes,
    *contributors.router.routes,
    *attestations.router.routes,
    *log.router.routes,
    *verify.router.routes,
    *sign_in.router.routes,
    *account.router.routes,
    *admin_keys.router.routes,
    *admin_tenants.router.routes,
    *admin_audit.router.routes,
)
PUBLIC = home.PUBLIC | log.PUBLIC | verify.PUBLIC | sign_in.PUBLIC
