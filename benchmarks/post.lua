-- One metric, in the form that the MLflow client sends.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"run_uuid": "5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d", "run_id": "5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d", "key": "accuracy", "value": 0.875, "timestamp": 1735689660000, "step": 10}'
