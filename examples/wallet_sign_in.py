"""Exchange one signature of an Ethereum wallet for an access token, and use that with MLflow.

pip install mlflow eth-account requests
export HOKUSAI_URL=http://127.0.0.1:8000
export ETH_PRIVATE_KEY=0x...    # by default a new wallet is created
python examples/wallet_sign_in.py
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

# The time is UTC. The gateway accepts the message within five minutes of it.
message = time.strftime("Hokusai API Access - %Y-%m-%dT%H:%M:%SZ", time.gmtime())
signed = wallet.sign_message(encode_defunct(text=message))
response = requests.post(
    f"{url}/api/auth/token",
    headers={
        "X-ETH-Address": wallet.address,
        "X-ETH-Message": message,
        "X-ETH-Signature": signed.signature.hex(),
    },
    timeout=30,
)
response.raise_for_status()
token = response.json()
print(f"{wallet.address} has a token for {token['expires_in']} seconds")

# The token can be used wherever an API key can. The rest is plain MLflow.
os.environ["MLFLOW_TRACKING_TOKEN"] = token["access_token"]
mlflow.set_tracking_uri(f"{url}/api/mlflow")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.89)
print(f"Logged run {run.info.run_id}")
