#!/usr/bin/env bash
# Create an experiment, a run in it and a metric, with curl; no Python, no MLflow.
#
#   export HOKUSAI_URL=http://127.0.0.1:8000
#   export HOKUSAI_API_KEY=hk_live_...    # your key
#   ./quickstart_curl.sh
set -euo pipefail

call() { # METHOD PATH [JSON]
    curl --silent --show-error --fail-with-body --request "$1" "$HOKUSAI_URL/api$2" \
        --header "Authorization: Bearer $HOKUSAI_API_KEY" \
        ${3:+--header "Content-Type: application/json" --data "$3"}
}
value() { # NAME: the text of that member in the JSON on standard input
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

mlflow=/mlflow/api/2.0/mlflow
name="quickstart-$(date +%s)"

experiment=$(call POST $mlflow/experiments/create "{\"name\": \"$name\"}" | value experiment_id)
echo "Experiment $name has the id $experiment"

run=$(call POST $mlflow/runs/create "{\"experiment_id\": \"$experiment\"}" | value run_id)
now=$(date +%s)000
call POST $mlflow/runs/log-metric \
    "{\"run_id\": \"$run\", \"key\": \"accuracy\", \"value\": 0.89, \"timestamp\": $now}" > /dev/null
call POST $mlflow/runs/update "{\"run_id\": \"$run\", \"status\": \"FINISHED\"}" > /dev/null
echo "Run $run is $(call GET "$mlflow/runs/get?run_id=$run" | value status)"

echo "What is left of this minute:"
call GET /limits
