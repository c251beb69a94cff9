"""Reading from a registry that has grown: every list, filter and page."""

import http.client
import statistics
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from benchmarks.fill import CONTRIBUTOR, RARE_ACTION, ROOT, fill
from benchmarks.launcher import Launcher, Target
from benchmarks.load import small_requests
from benchmarks.report import Rounds, Table, Verdict
from benchmarks.stack import COMMAND, UNLIMITED, gateway_settings, start_backend

MAX_MILLISECONDS = 10
MAX_MICROSECONDS = 600
# Requests of each kind in one round, and before it.
REQUESTS = 20
OLD = "2020-01-01T00:00:00Z"

MODEL = "/api/models/hkm_7"
READS: dict[str, str] = {
    "a model": MODEL,
    "an improved model": "/api/models/hkm_2",
    "models": "/api/models",
    "of a kind": "/api/models?kind=baseline",
    "of a rare kind": "/api/models?kind=tokenized",
    "of a tenant": "/api/models?tenant=tenant-7",
    "of no tenant": "/api/models?tenant=none",
    "of a tenant and kind": "/api/models?tenant=tenant-7&kind=tokenized",
    "of a type": "/api/models?type=type-7",
    "of a type and rare kind": "/api/models?type=type-11&kind=tokenized",
    "of a name": "/api/models?name=model-7",
    "of a token": "/api/models?token=token-1",
    "of a run": "/api/models?run_id=8f14e45fceea167a5a36dedd4bea2543",
    "of a metric": "/api/models?metric=accuracy",
    "of no metric": "/api/models?metric=none",
    "by value": "/api/models?metric=accuracy&sort=highest",
    "by value, of a rare kind": "/api/models?metric=accuracy&sort=lowest&kind=tokenized",
    "by improvement": "/api/models?metric=accuracy&sort=improvement",
    "by improvement, of a contributor": "/api/models?metric=accuracy&sort=improvement"
    f"&contributor={CONTRIBUTOR}",
    "of a contributor": f"/api/models?contributor={CONTRIBUTOR}",
    "of a contributor and kind": f"/api/models?contributor={CONTRIBUTOR}&kind=tokenized",
    "files of a model": f"/api/models/{ROOT}/files?limit=1000",
    "lineage, large": f"/api/models/{ROOT}/lineage",
    "lineage, a leaf": "/api/models/hkm_2/lineage",
    "contributors": "/api/contributors",
    "a contributor": f"/api/contributors/{CONTRIBUTOR}",
    "its contributions": f"/api/contributors/{CONTRIBUTOR}/contributions",
    "its attestations": f"/api/contributors/{CONTRIBUTOR}/attestations",
    "attestations": "/api/attestations",
    "of a rare kind of evidence": "/api/attestations?kind=claimed",
    "attestations of a tenant": "/api/attestations?tenant=tenant-7",
    "attestations of a model": "/api/attestations?model_id=hkm_7",
    "attestations of a run": "/api/attestations?run_id=8f14e45fceea167a5a36dedd4bea2543",
    "the log's checkpoint": "/api/attestations/log",
    "a proof": "/api/attestations/log/proof?index=77",
    "log entries": "/api/attestations/log/entries?start=500",
    "keys": "/api/admin/keys",
    "keys of a tenant": "/api/admin/keys?tenant=tenant-7",
    "keys of a principal": "/api/admin/keys?principal=key:7",
    "own keys": "/api/keys",
    "tenants": "/api/admin/tenants",
    "audit": "/api/admin/audit",
    "of an action": "/api/admin/audit?action=key.created",
    "of a rare action": f"/api/admin/audit?action={RARE_ACTION}",
    "of an actor": "/api/admin/audit?actor=key:7",
    "of a subject": "/api/admin/audit?subject=subject-7",
    "audit of a tenant": "/api/admin/audit?tenant=tenant-7",
    "of a tenant and rare action": f"/api/admin/audit?tenant=tenant-7&action={RARE_ACTION}",
    "of long ago": f"/api/admin/audit?{urlencode({'until': OLD})}",
    "since long ago": f"/api/admin/audit?{urlencode({'since': OLD})}&action={RARE_ACTION}",
}


@dataclass(frozen=True)
class Read:
    """One kind of request in one round. p50, worst: ms; size: bytes of the response."""

    p50: float
    worst: float
    size: int


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `grown`: each read in turn, on one connection; and `grown-model`, one model by wrk."""
    backend = start_backend(launcher, "grown-direct")
    settings = gateway_settings(launcher, backend.base, "grown")
    settings["HOKUSAI_ANONYMOUS_LIMIT"] = str(UNLIMITED)
    url = f"http://127.0.0.1:{settings['HOKUSAI_PORT']}"
    pid = launcher.start("grown-gateway", COMMAND, f"{url}/livez", environment=settings)
    key = (Path(settings["HOKUSAI_DATA_DIR"]) / "admin.key").read_text().strip()
    fill(settings["HOKUSAI_DATABASE_URL"], options.scale)
    rounds: Rounds = {name: [] for name in READS}
    for _ in range(options.rounds):
        for name, path in READS.items():
            rounds[name].append(_read(url, path, key))
    slowest = max(READS, key=lambda name: statistics.median(one.p50 for one in rounds[name]))
    milliseconds = statistics.median(one.p50 for one in rounds[slowest])
    verdict = Verdict(f"slowest read ({slowest})", milliseconds, "ms", MAX_MILLISECONDS)
    yield Table("grown", rounds, next(iter(READS)), (), [verdict])
    target = Target("gateway", url, pid, f"Bearer {key}")
    small = [
        small_requests(target, MODEL, connections=32, seconds=options.seconds)
        for _ in range(options.rounds)
    ]
    cpu = statistics.median(one.cpu for one in small)
    verdict = Verdict("CPU of GET /api/models/{id}", cpu, "µs", MAX_MICROSECONDS)
    yield Table("grown-model", {"gateway": small}, "gateway", (), [verdict])


def _read(url: str, path: str, key: str) -> Read:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    times = []
    size = 0
    # The first ones compile statements and fill caches.
    for number in range(REQUESTS + 3):
        began = time.perf_counter()
        connection.request("GET", path, headers={"X-API-Key": key})
        response = connection.getresponse()
        size = len(response.read())
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status} for {path}")
        if number >= 3:
            times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return Read(statistics.median(times), max(times), size)
