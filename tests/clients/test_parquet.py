"""Data engines read Parquet by ranges: pyarrow's own S3 client, and DuckDB over it."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

ROWS = 200_000


@pytest.fixture
def files(server: Running) -> Any:
    return fs.S3FileSystem(
        access_key=ROOT_USER,
        secret_key=ROOT_PASSWORD,
        region="us-east-1",
        endpoint_override=f"127.0.0.1:{server.port}",
        scheme="http",
    )


def table(start: int) -> pa.Table:
    numbers = range(start, start + ROWS)
    return pa.table({"id": pa.array(numbers), "group": pa.array([f"g{n % 7}" for n in numbers])})


def test_parquet_is_written_and_read_by_column(files: Any, bucket: str) -> None:
    pq.write_table(table(0), f"{bucket}/one.parquet", filesystem=files, row_group_size=20_000)
    ids = pq.read_table(f"{bucket}/one.parquet", filesystem=files, columns=["id"])
    assert (ids.num_rows, pc.sum(ids["id"]).as_py()) == (ROWS, ROWS * (ROWS - 1) // 2)


def test_a_partitioned_dataset_is_queried(files: Any, bucket: str) -> None:
    root = f"{bucket}/set"
    ds.write_dataset(
        table(0), root, filesystem=files, format="parquet", partitioning=["group"], partitioning_flavor="hive"
    )
    numbers = ds.dataset(root, filesystem=files, format="parquet", partitioning="hive")
    assert numbers.count_rows() == ROWS
    connection = duckdb.connect()
    connection.register("numbers", numbers)
    query = 'select "group", count(*), sum(id) from numbers where id >= 100000 group by 1 order by 1'
    rows = connection.execute(query).fetchall()
    assert [(name, total) for name, _, total in rows] == [
        (f"g{group}", sum(n for n in range(100_000, ROWS) if n % 7 == group)) for group in range(7)
    ]
    files.delete_dir(root)
    assert files.get_file_info(fs.FileSelector(bucket, recursive=True)) == []
