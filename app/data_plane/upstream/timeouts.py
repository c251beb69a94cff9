"""How long a transfer waits for the client and for the upstream, and what happens after that."""

from dataclasses import dataclass

from app.core.errors import SlowRequestError, UpstreamTimeoutError

# A client that still waits after this many seconds is watched for leaving, and a spliced body that
# has not moved for as long is looked after. Most requests are finished earlier, and never pay for
# the task that watches.
WATCH_AFTER = 0.05


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """Bounds on one transfer; the same for all of a client.

    read_timeout: seconds that the upstream may be silent, or that a client may read nothing of a
    response. body_timeout: seconds that a client may be silent within its request's body. max_body:
    bytes of a body that is streamed.
    """

    read_timeout: float
    body_timeout: float
    max_body: int

    def check_upstream(self, silent: float) -> None:
        """Raise UpstreamTimeoutError for an upstream that has been silent too long (seconds)."""
        if silent > self.read_timeout:
            raise UpstreamTimeoutError(f"MLflow was silent for {self.read_timeout:g} seconds.")

    def check_sender(self, silent: float) -> None:
        """Raise SlowRequestError for a client that has sent nothing for too long (seconds)."""
        if silent > self.body_timeout:
            raise SlowRequestError(
                f"Nothing of the request's body was received for more than {self.body_timeout:g} "
                "seconds. Send the request again."
            )

    def check_reader(self, silent: float) -> None:
        """Raise SlowRequestError for a client that has read nothing for too long (seconds)."""
        if silent > self.read_timeout:
            raise client_not_reading()


def client_not_reading() -> SlowRequestError:
    """The error that cuts a response off whose client no longer reads it."""
    return SlowRequestError("The client stopped reading the response.")
