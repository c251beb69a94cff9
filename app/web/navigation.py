"""The pages that every page links to."""

# The name and path of each, in their order.
NAVIGATION = (
    ("Models", "/models"),
    ("Benchmarks", "/benchmarks"),
    ("Contributors", "/contributors"),
    ("Attestations", "/attestations"),
    ("Log", "/log"),
    ("Verify", "/verify"),
    ("MLflow", "/api/mlflow/"),
    ("API", "/docs"),
)
