"""What builds the site from docs/ (decision 19): `make docs` runs it."""
