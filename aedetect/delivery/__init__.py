"""What is written, taken further: to a SQL database, and to people.

    settings.py   `[database]` and `[notify]`

The Parquet files stay the truth: whatever does not arrive today is taken from them tomorrow.
"""
