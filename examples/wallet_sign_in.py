"""Sign in with an Ethereum wallet: sign once, exchange it for a token, use that as the MLflow key.

pip install mlflow eth-account requests
export HOKUSAI_URL=http://127.0.0.1:8000
export ETH_PRIVATE_KEY=0x...    # without it, a new wallet is made
python wallet_sign_in.py
"""

import os
import time

import mlflow
import requests
from eth_account import Account
from eth_account.messages import encode_defunct

url = os.environ.get("HOKUSAI_URL", "http://127.0.0.1:8000")
private_key = os.environ.get("ETH_PRIVATE_KEY")
wallet = Account.from_key(private_key) if private_key else Account.create()

# The gateway takes the message within five minutes of its time, which is UTC.
message = time.strftime("Hokusai API Access - %Y-%m-%dT%H:%M:%SZ", time.gmtime())
signed = wallet.sign_message(encode_defunct(text=message))
answer = requests.post(
    f"{url}/api/auth/token",
    headers={
        "X-ETH-Address": wallet.address,
        "X-ETH-Message": message,
        "X-ETH-Signature": signed.signature.hex(),
    },
    timeout=30,
)
answer.raise_for_status()
token = answer.json()
print(f"{wallet.address} has a token for {token['expires_in']} seconds")

# From here on it is plain MLflow. The token serves wherever a key does.
os.environ["MLFLOW_TRACKING_TOKEN"] = token["access_token"]
mlflow.set_tracking_uri(f"{url}/api/mlflow")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.89)
print(f"Logged run {run.info.run_id}")
