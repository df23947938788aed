"""What is written, taken further: to a SQL database, and to people.

    settings.py   `[database]` and `[notify]`
    database.py   make the tables say what the files say
    tables.py     which tables, and whether they are ours
    engine.py     the connection, and its errors as ours
    parquet.py    the files, by fingerprint and in batches
    notify.py     tell people of events and alerts
    news.py       of which events, in which words
    couriers.py   by Apprise, with limited patience
    told.py       who was told what

The Parquet files stay the truth: whatever does not arrive today is taken from them tomorrow.
"""
