"""The command `hokusai`; its entry point is `hokusai.cli.main.main`."""
