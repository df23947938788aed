"""A registered model as a function of Spark, where there are Java and PySpark."""

from __future__ import annotations

import shutil
import sys

import pandas as pd
import pytest

pyspark_sql = pytest.importorskip("pyspark.sql")
pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
    pytest.mark.filterwarnings("default"),  # of Spark and of what MLflow calls in it
]

# Neither times nor lists of causes: MLflow 3.17 converts none of them inside of a struct.
COLUMNS = (
    "score float, p_value double, verdict string, reason string, threshold double, "
    "severity string, calibration_version int"
)


@pytest.fixture
def spark(monkeypatch):
    """A Spark session of this machine alone, with the Python of the tests."""
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    builder = pyspark_sql.SparkSession.builder.master("local[1]")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def test_spark_gives_the_scores_of_the_model(spark, trained):
    """Of rows that are in one partition, in their order."""
    import mlflow
    from pyspark.sql.functions import struct

    rows = pd.read_parquet(trained.folder / "train.parquet").iloc[:60]
    rows.loc[50, "cpu"] = 500.0
    mlflow.set_tracking_uri(trained.uri)
    try:
        model = mlflow.pyfunc.load_model("models:/plant@champion")
        score = mlflow.pyfunc.spark_udf(
            spark, "models:/plant@champion", result_type=COLUMNS, env_manager="local"
        )
    finally:
        mlflow.set_tracking_uri(None)
    table = spark.createDataFrame(rows).repartition(1)
    found = table.select("time", score(struct(*table.columns)).alias("row")).select("time", "row.*")
    scored = found.toPandas().sort_values("time", ignore_index=True)
    expected = model.predict(rows)
    pd.testing.assert_series_equal(scored["score"], expected["score"])
    assert scored["verdict"].tolist() == expected["verdict"].tolist()
    assert scored.loc[50, "verdict"] == "anomaly"
