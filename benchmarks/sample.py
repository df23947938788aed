"""Make data/smd from the published Server Machine Dataset: python benchmarks/sample.py SOURCE.

SOURCE is the folder ServerMachineDataset of https://github.com/NetManAIOps/OmniAnomaly.
The bytes written depend on the published files and on the version of pyarrow only.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

MACHINES = ("machine-1-3", "machine-1-6", "machine-2-5")
START = pd.Timestamp("2000-01-01")  # invented: the published rows are ordered, a minute apart
# The published files have no header: these are the names in common use, in column order.
FEATURES = """cpu_r load_1 load_5 load_15 mem_shmem mem_u mem_u_e total_mem disk_q disk_r disk_rb
    disk_svc disk_u disk_w disk_wa disk_wb si so eth1_fi eth1_fo eth1_pi eth1_po tcp_tw tcp_use
    active_opens curr_estab in_errs in_segs listen_overflows out_rsts out_segs passive_opens
    retransegs tcp_timeouts udp_in_dg udp_out_dg udp_rcv_buf_errs udp_snd_buf_errs""".split()  # noqa: SIM905 - as a list it takes 38 lines

# Dictionaries of measured values make the daily files a quarter larger.
SMALL = {"compression": "zstd", "compression_level": 19, "use_dictionary": ["entity"]}


def rows(source: Path, part: str, machine: str, *, first: int) -> pd.DataFrame:
    """One machine's rows of train or test, the first of them `first` minutes after the start."""
    values = np.loadtxt(source / part / f"{machine}.txt", delimiter=",", dtype=np.float32)
    table = pd.DataFrame(values, columns=FEATURES)
    minutes = pd.to_timedelta(np.arange(first, first + len(table)), unit="min")
    table.insert(0, "timestamp", (START + minutes).astype("datetime64[ms]"))
    table.insert(1, "entity", machine)
    return table


def segments(source: Path, machine: str, times: pd.Series) -> pd.DataFrame:
    """Read the labelled segments of one machine, their ends made inclusive."""
    found = []
    for line in (source / "interpretation_label" / f"{machine}.txt").read_text().split():
        span, blamed = line.split(":")
        start, end = int(span.split("-")[0]), int(span.split("-")[1]) - 1
        names = [FEATURES[int(number) - 1] for number in blamed.split(",")]
        found.append((machine, start, end, times[start], times[end], names))
    columns = ["entity", "start", "end", "start_timestamp", "end_timestamp", "features"]
    return pd.DataFrame(found, columns=columns).astype({"start": "int32", "end": "int32"})


def write(path: Path, *groups: pd.DataFrame) -> None:
    """Write tables as the row groups of one file, without the metadata pandas would add."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = [pa.Table.from_pandas(group, preserve_index=False) for group in groups]
    plain = [table.replace_schema_metadata(None) for table in tables]
    with pq.ParquetWriter(path, plain[0].schema, **SMALL) as file:
        for table in plain:
            file.write_table(table)


def main(source: Path, target: Path) -> None:
    """Write the train half, the labelled test half by day, and the labelled segments."""
    train = [rows(source, "train", machine, first=0) for machine in MACHINES]
    test, blamed = [], []
    for machine, before in zip(MACHINES, train, strict=True):
        table = rows(source, "test", machine, first=len(before))
        table["is_anomaly"] = np.loadtxt(source / "test_label" / f"{machine}.txt", dtype=np.int8)
        test.append(table)
        blamed.append(segments(source, machine, table["timestamp"]))
    write(target / "train.parquet", *train)
    write(target / "interpretation.parquet", pd.concat(blamed))
    later = pd.concat(test)
    for day, table in later.groupby(later["timestamp"].dt.date):
        write(target / "incoming" / f"{day}.parquet", table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parents[1] / "data" / "smd")
