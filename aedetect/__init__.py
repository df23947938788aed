"""Anomaly detection for tabular time series, as a pipeline that people run in production.

    config.read_config    one TOML file a detector
    training.run          ingest -> prepare -> train -> calibrate -> register
    scoring.run           what is new or changed -> scores/ and flagged/
    detector.Detector     a scorer with a threshold that keeps its promise
    frames.score_frame    the same verdicts on a pandas table

A higher score is always stranger.
"""
