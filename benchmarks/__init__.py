"""The gateway measured beside its peers; README.md says what and how."""
