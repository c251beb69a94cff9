"""Creates the bucket for artifacts, and waits until it stores objects; then it ends.

An S3 server may respond before it can store anything, so an object is written, read and deleted.
The environment has the settings: BUCKET, MLFLOW_S3_ENDPOINT_URL, AWS_*.
"""

import os
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE_SECONDS = 120
PROBE = ".hokusai-probe"
# Errors of wrong credentials, for which waiting does not help.
REFUSALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "403"}


def main() -> int:
    """Wait until the bucket stores an object. Returns the exit code: 0, or 1 for a failure."""
    bucket = os.environ["BUCKET"]
    store = boto3.client(
        "s3",
        endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"],
        config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}),
    )
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            created = ensure(store, bucket)
            state = "created" if created else "exists"
            print(f"bucket {bucket}: {state}, and stores objects", flush=True)
            return 0
        except (BotoCoreError, ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            if code in REFUSALS or time.monotonic() > end:
                print(f"bucket {bucket}: {error}", file=sys.stderr, flush=True)
                return 1
        time.sleep(1)


def ensure(store, bucket: str) -> bool:  # type: ignore[no-untyped-def]  # boto3 has no types
    """Create the bucket if it is missing, and try it. Returns whether it was created."""
    created = False
    try:
        store.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        store.create_bucket(Bucket=bucket)
        created = True
    store.put_object(Bucket=bucket, Key=PROBE, Body=b"probe")
    if store.get_object(Bucket=bucket, Key=PROBE)["Body"].read() != b"probe":
        raise BotoCoreError
    store.delete_object(Bucket=bucket, Key=PROBE)
    return created


if __name__ == "__main__":
    sys.exit(main())
