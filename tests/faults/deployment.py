"""A complete deployment, each part of which can be killed and started again."""

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
from tests.support.forked_mlflow import ForkedMLflow
from tests.support.gateway import RunningGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.haproxy import LoadBalancer
from tests.support.redis import RunningRedis, free_port
from tests.support.waiting import wait_until

# Seconds for a restart on a busy machine.
PATIENCE = 120.0
ATTESTOR_KEY = "a7" * 32
PEPPER = "pepper of the chaos test"
LEASE = 5


@dataclass
class Deployment:
    """Two gateways behind a load balancer, with PostgreSQL, MLflow and Redis.

    key_issuer: a gateway that does not serve requests; it issues keys.
    """

    postgres: EmbeddedPostgreSQL
    mlflow: ChildMLflow
    redis: RunningRedis
    gateways: dict[str, GatewayProcess]
    balancer: LoadBalancer
    key_issuer: RunningGateway

    def faults(self) -> dict[str, Callable[[Callable[[], None]], None]]:
        """Functions by the name of a part: each kills it, calls its argument, and starts it again.

        Each returns once the part responds.
        """
        return {
            "MLflow": self._without_mlflow,
            "PostgreSQL": self._without_postgres,
            "Redis": self._without_redis,
            "a gateway": self._without_gateway,
        }

    def wait_until_ready(self) -> None:
        """Wait until the load balancer considers both gateways ready."""
        for name in self.gateways:
            wait_until(lambda name=name: self.balancer.state(name) == "UP", PATIENCE)  # type: ignore[misc]

    def _without_mlflow(self, meanwhile: Callable[[], None]) -> None:
        _kill(self.mlflow)
        meanwhile()
        self.mlflow.restart()
        wait_until(self._mlflow_responds, PATIENCE)

    def _without_postgres(self, meanwhile: Callable[[], None]) -> None:
        _kill(self.postgres)
        meanwhile()
        self.postgres.restart()
        wait_until(self._postgres_responds, PATIENCE)

    def _without_redis(self, meanwhile: Callable[[], None]) -> None:
        self.redis.kill()
        meanwhile()
        self.redis.start()

    def _without_gateway(self, meanwhile: Callable[[], None]) -> None:
        """Kills the gateways in turn."""
        name = next(iter(self.gateways))
        gateway = self.gateways.pop(name)
        gateway.kill()
        self.gateways[name] = gateway
        meanwhile()
        gateway.start()
        wait_until(gateway.is_live, PATIENCE)

    def _mlflow_responds(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.mlflow.url}/health", trust_env=False).is_success
        return False

    def _postgres_responds(self) -> bool:
        try:
            psycopg2.connect(self.postgres.url("hokusai"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True


@contextmanager
def deployment(directory: Path) -> Iterator[Deployment]:
    """A running deployment. PostgreSQL is durable, as in production: commits survive a kill."""
    with ExitStack() as stack:
        postgres = EmbeddedPostgreSQL(_made(directory / "postgres"))
        stack.enter_context(postgres)
        postgres.create_database("hokusai")
        postgres.create_database("mlflow")
        database = postgres.url("hokusai")
        migrate(database)
        mlflow = ForkedMLflow(_made(directory / "mlflow"), postgres.url("mlflow"))
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
        key_issuer = RunningGateway(
            database, mlflow.url, key_pepper=PEPPER, attestor_key=ATTESTOR_KEY
        )
        yield Deployment(postgres, mlflow, redis, gateways, balancer, key_issuer)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _kill(server: ManagedService) -> None:
    """Send SIGKILL to all processes of a server."""
    leader = psutil.Process(server.pid)
    for process in [leader, *leader.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # A killed process keeps its id until its parent has waited for it.
    wait_until(lambda: not server.running)
