"""The command `hokusai`; `hokusai.cli.main` is its entry."""
