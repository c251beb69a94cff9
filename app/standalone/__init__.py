"""The default on one machine: an embedded PostgreSQL and a child MLflow server.

Nothing here is needed, and nothing of the extra `standalone` is imported, where the operator gives
both a database and an MLflow server.
"""
