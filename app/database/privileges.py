"""What the roles of the database may do."""


def missing_privilege(role: str) -> str:
    """What to do where a role may not create tables. Since PostgreSQL 15, only the owner may."""
    name = '"' + role.replace('"', '""') + '"'
    return (
        "the role may not create tables: as the owner of the database run "
        f"`GRANT USAGE, CREATE ON SCHEMA public TO {name}`"
    )
