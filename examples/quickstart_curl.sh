#!/usr/bin/env bash
# With curl alone: create an experiment, and a run with a metric in it.
#
#   export HOKUSAI_URL=http://127.0.0.1:8000
#   export HOKUSAI_API_KEY=hk_live_...    # your key
#   examples/quickstart_curl.sh
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
echo
