"""Train anywhere, register with Hokusai: the client of the Hokusai registry gateway."""

__all__ = ["__version__"]

__version__ = "0.1.0"
