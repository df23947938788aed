"""What is written, taken further: to a SQL database, and to people.

    settings.py   `[database]` and `[notify]`
    database.py   make the tables say what the files say
    tables.py     which tables, and whether they are ours
    engine.py     the connection, and its errors as ours
    parquet.py    the files, by fingerprint and in batches

The Parquet files stay the truth: whatever does not arrive today is taken from them tomorrow.
"""
