"""Wallet authentication, and the plugin that gives the MLflow client the SDK's credential."""

from hokusai.auth.wallet import HokusaiAuth

__all__ = ["HokusaiAuth"]
