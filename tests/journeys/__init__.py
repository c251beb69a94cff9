"""Whole stories of users, from the first request to the last, with the real MLflow client.

`test_guide.py` runs the code of the integration guide unchanged, `test_examples.py` the programs in
`examples/`, and `test_training.py` a day's work of somebody who trains models.
"""
