"""What a gateway tells Prometheus, taken apart."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One exposition: its samples, and the kind of each family by the name it is asked for."""

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
        """From a metrics port."""
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return cls(answer.text)

    def value(self, name: str, **labels: str) -> float:
        """One sample; 0 where there is none, as a sum over nothing is."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)

    def labels(self) -> dict[str, set[str]]:
        """The names of the labels of each family, as far as it has samples."""
        found: dict[str, set[str]] = {}
        for name, labels in self.samples:
            found.setdefault(name, set()).update(label for label, _ in labels)
        return found
