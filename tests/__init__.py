"""The tests. Folders named as in `app/` test that package.

`support/` holds what several folders use: a gateway under test, upstream servers, users. Across
packages are `journeys/` (whole stories of users), `faults/` (killed and hanging parts),
`replicas/` (several gateways), `performance/` (guards of memory and of the benchmark), `fuzzing/`
(parsers), `clients/` (other versions of MLflow's client), `sdk/`, `artifacts/`, `backup/`,
`deploy/` and `docs/`.

Asynchronous tests are asynchronous functions, which anyio's pytest plugin runs on the event loop
that the fixture `anyio_backend` names. Most tests run against a real PostgreSQL and MLflow, which
`conftest.py` starts.
"""
