#!/bin/sh
# trim.sh VENV: takes away what wheels bring and nothing here asks for, about 90 MB.
set -eu

site=$(echo "$1"/lib/python3.*/site-packages)

# Of AWS's services, only those that are spoken here.
find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name iam ! -name sts ! -name sns -exec rm -r {} +

# Arrow writes Parquet files for inventories; it opens no connections and compiles nothing.
rm -r "$site"/pyarrow/include "$site"/pyarrow/includes "$site"/pyarrow/src "$site"/pyarrow/tests \
    "$site"/pyarrow/libarrow_flight.so.* "$site"/pyarrow/libarrow_python_flight.so* "$site"/pyarrow/_flight.* \
    "$site"/pyarrow/libarrow_s3.so.* "$site"/pyarrow/_s3fs.*
"$1"/bin/python -B -c 'import pyarrow.parquet'
