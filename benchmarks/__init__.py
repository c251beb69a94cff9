"""Measures the gateway beside other proxies and servers; README.md describes what and how."""
