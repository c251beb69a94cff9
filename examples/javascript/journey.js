// With a wallet: log two runs, register a baseline and an improvement, and have it attested.
//
//   npm ci
//   export HOKUSAI_URL=http://127.0.0.1:8000
//   export ETH_PRIVATE_KEY=0x...    # by default a new wallet is created
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

// A request that is signed itself, as in the guide.
const { experiments } = await auth.request("POST", `${MLFLOW}/experiments/search`, {
  max_results: 5,
});
console.log(`The wallet ${auth.wallet.address} has ${experiments.map((experiment) => experiment.name)}`);

// One signature is exchanged for a token, which can be used wherever an API key can.
const token = await auth.request("POST", "/auth/token");
console.log(`It has a token for ${token.expires_in} seconds`);
const bearer = { Authorization: `Bearer ${token.access_token}` };
const api = (method, endpoint, body) => call(method, auth.apiBase + endpoint, bearer, body);

// Creates a run with MLflow's REST API, and uploads a file that stands for a model. Returns its id.
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
  const location = artifact_uri.replace("mlflow-artifacts:", "");
  const artifact = `${auth.apiBase}/mlflow/api/2.0/mlflow-artifacts/artifacts${location}/model/weights.json`;
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
