"""The Helm chart, rendered by Helm itself and held against the schemas of Kubernetes."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from app.core.settings import Settings
from tests.deploy.files import ROOT, SETTINGS, documents, settings_in

helm = pytest.importorskip(
    "helm_python", reason="helm-python-sdk has no wheel for this platform: the chart is not tried"
)

CHART = ROOT / "deploy/helm/hokusai-gateway"
LEAST: dict[str, Any] = {
    "image": {"repository": "registry.example.org/hokusai-gateway", "tag": "0.1.0"},
    "secret": {"name": "hokusai"},
    "mlflowURL": "http://mlflow:5000",
    "publicURL": "https://registry.example.org",
}
ALL: dict[str, Any] = {
    **LEAST,
    "image": {"repository": "registry.example.org/gateway", "digest": f"sha256:{'a' * 64}"},
    "imagePullSecrets": [{"name": "pull"}],
    "autoscaling": {"enabled": False},
    "replicas": 4,
    "drainDelay": 20,
    "gracePeriod": 90,
    "settings": {"HOKUSAI_RATE_LIMIT": 200, "HOKUSAI_TRUSTED_PROXIES": "10.0.0.0/8"},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "registry.example.org",
        "tlsSecretName": "tls",
        "annotations": {"a/b": "c"},
    },
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "podAnnotations": {"a/b": "c"},
}
KUBERNETES = ("1.27", "1.31", kubernetes_validate.latest_version())


def render(values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """What Helm makes of the chart, by kind and name."""
    chart = helm.Chart.load(CHART)
    rendered = chart.render(values, name="r", namespace="hokusai")
    found = [
        document
        for path, text in rendered.items()
        if path.endswith(".yaml")
        for document in documents(text)
    ]
    return {(made["kind"], made["metadata"]["name"]): made for made in found}


def pods(made: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        made[key]["spec"]["template"]["spec"] for key in made if key[0] in ("Deployment", "Job")
    ]


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    entries = pod["containers"][0]["env"]
    named = {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}
    assert len(named) == len(entries)
    return named


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_helm_finds_nothing_to_complain_about(values: dict[str, Any]) -> None:
    from helm_python.chart import lint

    report = lint(CHART, values, strict=True)
    assert report["total_charts_linted"] == 1
    assert not report["errors"]
    assert not [message for message in report["messages"] if message["severity"] > 1]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_what_is_made_is_what_kubernetes_takes(values: dict[str, Any], version: str) -> None:
    for (kind, _), document in render(values).items():
        # A kind of the Prometheus operator; Kubernetes itself has no schema of it.
        if kind != "ServiceMonitor":
            kubernetes_validate.validate(document, version, strict=True)


def test_the_kinds_that_are_made() -> None:
    least = {
        ("Deployment", "r-gateway"),
        ("Job", "r-gateway-migrate"),
        ("Service", "r-gateway"),
        ("Service", "r-gateway-metrics"),
        ("ServiceAccount", "r-gateway"),
        ("PodDisruptionBudget", "r-gateway"),
        ("NetworkPolicy", "r-gateway"),
    }
    assert render(LEAST).keys() == least | {("HorizontalPodAutoscaler", "r-gateway")}
    assert render(ALL).keys() == least | {("Ingress", "r-gateway"), ("ServiceMonitor", "r-gateway")}


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_pods_are_confined(values: dict[str, Any]) -> None:
    made = render(values)
    assert len(pods(made)) == 2
    for pod in pods(made):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
    assert made["ServiceAccount", "r-gateway"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_secrets_are_references(values: dict[str, Any]) -> None:
    secrets = {
        f"HOKUSAI_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    for pod in pods(render(values)):
        found = environment(pod)
        assert found.keys() <= SETTINGS
        for name in secrets & found.keys():
            assert found[name]["secretKeyRef"]["name"] == "hokusai"
        assert {"HOKUSAI_DATABASE_URL", "HOKUSAI_KEY_PEPPER"} <= secrets & found.keys()
    assert not [kind for kind, _ in render(values) if kind == "Secret"]
    # And none can be given among the other settings.
    for name in secrets:
        with pytest.raises(jsonschema.ValidationError):
            validate({**LEAST, "settings": {name: "x"}})


def validate(values: dict[str, Any]) -> None:
    jsonschema.validate(
        helm.Chart.load(CHART).merge_values(values),
        json.loads((CHART / "values.schema.json").read_text()),
    )


def test_the_settings_that_the_chart_names_are_there() -> None:
    for path in CHART.rglob("*"):
        if path.is_file():
            assert settings_in(path.read_text()) <= SETTINGS, path


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_a_pod_may_take_its_grace_period(values: dict[str, Any]) -> None:
    pod = render(values)["Deployment", "r-gateway"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    grace = float(environment(pod)["HOKUSAI_SHUTDOWN_GRACE_PERIOD"])
    delay = float(environment(pod)["HOKUSAI_DRAIN_DELAY"])
    assert delay > 0
    assert pod["terminationGracePeriodSeconds"] > delay + grace
    assert container["startupProbe"]["httpGet"]["path"] == "/livez"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_each_replica_knows_how_many_there_may_be() -> None:
    for values, most in ((LEAST, "6"), (ALL, "4")):
        pod = render(values)["Deployment", "r-gateway"]["spec"]["template"]["spec"]
        assert environment(pod)["HOKUSAI_REPLICAS"] == most


def test_metrics_are_never_published_with_the_gateway() -> None:
    made = render(ALL)
    assert [port["name"] for port in made["Service", "r-gateway"]["spec"]["ports"]] == ["http"]
    assert made["Service", "r-gateway-metrics"]["spec"]["clusterIP"] == "None"
    rules = made["NetworkPolicy", "r-gateway"]["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in rules] == ["http", "metrics"]
    assert all(rule["from"] for rule in rules)
    assert all(rule["to"] for rule in made["NetworkPolicy", "r-gateway"]["spec"]["egress"])
    nobody = render({**LEAST, "networkPolicy": {"clients": [], "prometheus": []}})
    assert not nobody["NetworkPolicy", "r-gateway"]["spec"]["ingress"]


def test_the_migration_comes_before_the_release() -> None:
    job = render(LEAST)["Job", "r-gateway-migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]
    assert pod["spec"]["containers"][0]["args"] == ["migrate"]
    assert "serviceAccountName" not in pod["spec"]
    owner = "HOKUSAI_MIGRATION_DATABASE_URL"
    assert environment(pod["spec"])[owner]["secretKeyRef"]["optional"] is True
    serving = render(LEAST)["Deployment", "r-gateway"]["spec"]["template"]["spec"]
    assert owner not in environment(serving)
    selector = render(LEAST)["Deployment", "r-gateway"]["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"image": {"repository": "", "tag": "1"}}, "repository"),
        ({"image": {"repository": "a"}}, "image"),
        ({"image": {"repository": "a", "tag": "latest"}}, "tag"),
        ({"secret": {"name": ""}}, "name"),
        ({"publicURL": "registry.example.org"}, "publicURL"),
        ({"settings": {"HOKUSAI_KEY_PEPPER": "x"}}, "HOKUSAI_KEY_PEPPER"),
        ({"ingress": {"enabled": True}}, "ingress"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_values_are_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(helm.HelmError, match=re.escape(word)):
        helm.Chart.load(CHART).validate_schema({**LEAST, **change})


def test_the_chart_has_the_gateways_version() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    version = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)[0]
    assert f'appVersion: "{version}"' in Path(CHART / "Chart.yaml").read_text()
