-- `hokusai` is made by the image; MLflow gets a database of its own.
CREATE DATABASE mlflow;
