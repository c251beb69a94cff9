"""All that the registry runs on, each part of which may be killed and started again."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg2

from app.database.migrate import migrate
from app.standalone.managed_service import ManagedService
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.gateway import RunningGateway
from tests.support.haproxy import LoadBalancer
from tests.support.process import GatewayProcess
from tests.support.redis import RunningRedis, free_port
from tests.support.waiting import wait_until

# A restart on a busy machine.
PATIENCE = 120.0
ATTESTOR_KEY = "a7" * 32
PEPPER = "pepper of the chaos"
LEASE = 5


@dataclass
class Site:
    """Two gateways behind a load balancer, and what stands behind them.

    office: a gateway that does not serve; it issues keys.
    """

    postgres: EmbeddedPostgreSQL
    mlflow: ChildMLflow
    redis: RunningRedis
    gateways: dict[str, GatewayProcess]
    balancer: LoadBalancer
    office: RunningGateway

    def faults(self) -> dict[str, Callable[[Callable[[], None]], None]]:
        """By name: what kills a part, calls what it is given, and starts the part again.

        Each returns once the part is back, and takes no more than it is given to be away.
        """
        return {
            "MLflow": self._without_mlflow,
            "PostgreSQL": self._without_postgres,
            "Redis": self._without_redis,
            "a gateway": self._without_gateway,
        }

    def wait_until_ready(self) -> None:
        """Until the load balancer finds both gateways ready."""
        for name in self.gateways:
            wait_until(lambda name=name: self.balancer.state(name) == "UP", PATIENCE)  # type: ignore[misc]

    def _without_mlflow(self, meanwhile: Callable[[], None]) -> None:
        _kill(self.mlflow)
        meanwhile()
        self.mlflow.restart()
        wait_until(self._mlflow_answers, PATIENCE)

    def _without_postgres(self, meanwhile: Callable[[], None]) -> None:
        _kill(self.postgres)
        meanwhile()
        self.postgres.restart()
        wait_until(self._postgres_answers, PATIENCE)

    def _without_redis(self, meanwhile: Callable[[], None]) -> None:
        self.redis.kill()
        meanwhile()
        self.redis.start()

    def _without_gateway(self, meanwhile: Callable[[], None]) -> None:
        """The one that was not killed the last time."""
        name = next(iter(self.gateways))
        gateway = self.gateways.pop(name)
        gateway.kill()
        self.gateways[name] = gateway
        meanwhile()
        gateway.start()
        wait_until(gateway.answers, PATIENCE)

    def _mlflow_answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.mlflow.url}/health", trust_env=False).is_success
        return False

    def _postgres_answers(self) -> bool:
        try:
            psycopg2.connect(self.postgres.url("hokusai"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True


@contextmanager
def site(directory: Path) -> Iterator[Site]:
    """Everything, running. Writes survive a kill, as they do for an operator."""
    with ExitStack() as stack:
        postgres = EmbeddedPostgreSQL(_made(directory / "postgres"))
        stack.enter_context(postgres)
        postgres.create_database("hokusai")
        postgres.create_database("mlflow")
        database = postgres.url("hokusai")
        migrate(database)
        mlflow = ChildMLflow(_made(directory / "mlflow"), postgres.url("mlflow"))
        stack.enter_context(mlflow)
        redis = stack.enter_context(RunningRedis(_made(directory / "redis")))
        balancer = stack.enter_context(LoadBalancer(_made(directory / "balancer")))
        gateways = {
            name: GatewayProcess(
                directory,
                free_port(),
                database_url=database,
                mlflow_url=mlflow.url,
                redis_url=redis.url,
                replicas="2",
                key_pepper=PEPPER,
                attestor_key=ATTESTOR_KEY,
                rate_limit="1000000",
                failure_limit="1000000",
                registration_lease=str(LEASE),
                trusted_proxies="127.0.0.1/32",
                public_url=balancer.url,
            )
            for name in ("one", "other")
        }
        for gateway in gateways.values():
            stack.enter_context(gateway)
        balancer.start({name: gateway.port for name, gateway in gateways.items()})
        office = RunningGateway(database, mlflow.url, key_pepper=PEPPER, attestor_key=ATTESTOR_KEY)
        yield Site(postgres, mlflow, redis, gateways, balancer, office)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _kill(server: ManagedService) -> None:
    """SIGKILL for all of its processes."""
    leader = psutil.Process(server.pid)
    for process in [leader, *leader.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # Until it is waited for, its number stays taken.
    wait_until(lambda: not server.running)
