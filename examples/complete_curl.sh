#!/usr/bin/env bash
# With curl alone: log two runs, register them as a baseline and an improvement, have the improvement
# attested, and verify the attestation.
#
#   export HOKUSAI_URL=http://127.0.0.1:8000
#   export HOKUSAI_API_KEY=hk_live_...    # your key
#   examples/complete_curl.sh             # writes attestation.json
set -euo pipefail

# call METHOD PATH [JSON]: send a request to the API, and print the response.
call() {
    curl --silent --show-error --fail-with-body --request "$1" "$HOKUSAI_URL/api$2" \
        --header "Authorization: Bearer $HOKUSAI_API_KEY" \
        ${3:+--header "Content-Type: application/json" --data "$3"}
}
# value NAME: print the first string member NAME of the JSON on standard input.
value() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

mlflow=/mlflow/api/2.0/mlflow
# train ACCURACY: create a run with that metric and a file that stands for a model; print its id.
train() {
    local now run location
    now=$(date +%s)000
    run=$(call POST $mlflow/runs/create "{\"experiment_id\": \"0\", \"start_time\": $now}")
    location=$(value artifact_uri <<< "$run")
    run=$(value run_id <<< "$run")
    call POST $mlflow/runs/log-metric \
        "{\"run_id\": \"$run\", \"key\": \"accuracy\", \"value\": $1, \"timestamp\": $now}" > /dev/null
    call PUT "/mlflow/api/2.0/mlflow-artifacts/artifacts${location#mlflow-artifacts:}/model/weights.json" \
        "{\"accuracy\": $1}" > /dev/null
    call POST $mlflow/runs/update "{\"run_id\": \"$run\", \"status\": \"FINISHED\"}" > /dev/null
    echo "$run"
}

baseline_run=$(train 0.85)
improved_run=$(train 0.88)

baseline=$(call POST /models/baseline \
    "{\"run_id\": \"$baseline_run\", \"model_type\": \"classification\"}" | value model_id)
improved=$(call POST /models/improved "{
    \"run_id\": \"$improved_run\",
    \"baseline_model_id\": \"$baseline\",
    \"contributor_address\": \"0x742D35cc6634C0532925A3B844BC9E7595f62341\",
    \"data_contribution\": {\"samples\": 1000}
}" | value model_id)
echo "Registered $baseline, and $improved which improves on it"

call POST /attestations "{\"model_id\": \"$improved\"}" > attestation.json
echo "Attested: $(value hash < attestation.json)"

# Here the gateway verifies its own attestation; docs/attestations.md says how to do it without the
# gateway.
curl --silent --show-error --fail-with-body --header "Content-Type: application/json" \
    --data @attestation.json "$HOKUSAI_URL/api/attestations/verify"
echo
