"""What happens when a part fails: PostgreSQL, MLflow, Redis or a gateway is killed or hangs.

`test_chaos.py` kills every part of a complete deployment (`deployment.py`) in turn while users
work (`workload.py`), and checks afterwards that every response was true. In the suite each part is
killed once; `make chaos` continues for minutes. `test_database_and_mlflow.py` checks the responses
during one fault, and the recovery after it.
"""
