"""Who calls: wallets, and what makes the MLflow client authenticate as the SDK does."""

from hokusai.auth.wallet import HokusaiAuth

__all__ = ["HokusaiAuth"]
