"""The metrics of a gateway, parsed."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One scrape: its samples, and the type of each metric by the name that queries use."""

    def __init__(self, text: str) -> None:
        self.text = text
        families = [
            family
            for family in text_string_to_metric_families(text)
            if not family.name.endswith("_created")
        ]
        self.kinds = {
            family.name + ("_total" if family.type == "counter" else ""): family.type
            for family in families
        }
        self.samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    @classmethod
    def of(cls, port: int | None) -> "Scrape":
        """Scrape a metrics port."""
        response = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert response.headers["content-type"].startswith("text/plain; version=")
        return cls(response.text)

    def value(self, name: str, **labels: str) -> float:
        """The value of one sample; 0 if there is none."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)

    def labels(self) -> dict[str, set[str]]:
        """The label names of each metric that has samples."""
        found: dict[str, set[str]] = {}
        for name, labels in self.samples:
            found.setdefault(name, set()).update(label for label, _ in labels)
        return found
