"""The single-machine default: an embedded PostgreSQL and an MLflow server as a child process.

Where the operator configures both a database and an MLflow server, nothing here is started and
no package of the extra `standalone` is imported.
"""
