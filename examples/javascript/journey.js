// A wallet signs in, logs two runs, registers a baseline and an improvement, and has it attested.
//
//   npm ci
//   export HOKUSAI_URL=http://127.0.0.1:8000
//   export ETH_PRIVATE_KEY=0x...    # without it, a new wallet is made
//   node journey.js                 # writes attestation.json
//   node verify.js attestation.json 0x...   # the attestor's address
import { writeFile } from "node:fs/promises";
import { Wallet } from "ethers";
import { HokusaiAuth, call } from "./hokusai_auth.js";

const url = process.env.HOKUSAI_URL ?? "http://127.0.0.1:8000";
const auth = new HokusaiAuth(
  process.env.ETH_PRIVATE_KEY ?? Wallet.createRandom().privateKey,
  `${url}/api`,
);
const MLFLOW = "/mlflow/api/2.0/mlflow";

// Signed requests, as in the guide.
const { experiments } = await auth.request("POST", `${MLFLOW}/experiments/search`, {
  max_results: 5,
});
console.log(`The wallet ${auth.wallet.address} has ${experiments.map((each) => each.name)}`);

// One signature for an hour: a token, which serves wherever a key does.
const token = await auth.request("POST", "/auth/token");
console.log(`It has a token for ${token.expires_in} seconds`);
const bearer = { Authorization: `Bearer ${token.access_token}` };
const api = (method, endpoint, body) => call(method, auth.apiBase + endpoint, bearer, body);

// Runs by MLflow's REST API. The model itself is a file that is put beside them.
async function train(accuracy) {
  const { run } = await api("POST", `${MLFLOW}/runs/create`, {
    experiment_id: "0",
    start_time: Date.now(),
  });
  const { run_id, artifact_uri } = run.info;
  await api("POST", `${MLFLOW}/runs/log-metric`, {
    run_id,
    key: "accuracy",
    value: accuracy,
    timestamp: Date.now(),
  });
  const place = artifact_uri.replace("mlflow-artifacts:", "");
  const artifact = `${auth.apiBase}/mlflow/api/2.0/mlflow-artifacts/artifacts${place}/model/weights.json`;
  const put = await fetch(artifact, {
    method: "PUT",
    headers: bearer,
    body: JSON.stringify({ accuracy }),
  });
  if (!put.ok) throw new Error(`The upload was refused: ${put.status}`);
  await api("POST", `${MLFLOW}/runs/update`, { run_id, status: "FINISHED", end_time: Date.now() });
  return run_id;
}

const baseline = await api("POST", "/models/baseline", {
  run_id: await train(0.85),
  model_type: "classification",
});
const improved = await api("POST", "/models/improved", {
  run_id: await train(0.92),
  baseline_model_id: baseline.model_id,
  contributor_address: auth.wallet.address,
  data_contribution: { samples: 1000 },
});
console.log(`Registered ${baseline.model_id}, and ${improved.model_id} which improves on it`);

const attestation = await api("POST", "/attestations", { model_id: improved.model_id });
await writeFile("attestation.json", JSON.stringify(attestation, null, 2));
console.log(`Attested ${attestation.delta_one} percentage points: ${attestation.hash}`);
