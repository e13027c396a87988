"""Speed and memory of makoto over rows, beside pyarrow and beside what SHA-256 alone would take.

Every figure is a ratio of runs that took turns on the same file, as the median of the pairs. The
bound from below is SHA-256: a row is a leaf and, on average, a node, which take a known number of
compressions of 64 bytes; `openssl dgst -sha256` says in the same minute how long one takes.

usage: MAKOTO=target/release/makoto target/python/bin/python bench/rows.py [--quick]
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from l1 import MAKOTO, MIB, PAIRS, QUICK, peak_memory, run, write_random

ROWS = 1_000_000 if QUICK else 10_000_000
CORES = os.cpu_count()

# What pyarrow takes to read a file, without its start.
READ = """
import sys, time, pyarrow.parquet as pq, pyarrow.feather as feather
read = feather.read_table if sys.argv[1].endswith(".arrow") else pq.read_table
start = time.perf_counter(); read(sys.argv[1]); print(time.perf_counter() - start)
"""


def seconds_per_compression(folder):
    size = 512 * MIB
    path = os.path.join(folder, "random")
    write_random(path, size)
    run(["openssl", "dgst", "-sha256", path], folder)
    times = [run(["openssl", "dgst", "-sha256", path], folder) for _ in range(5)]
    os.remove(path)
    return min(times) / (size / 64)


def compressions(text):
    """Of a leaf of this many bytes of text, and of a node: a prefix before, and 9 bytes behind."""
    blocks = lambda size: -(-(size + 9) // 64)
    return blocks(text + 1) + blocks(65)


def attest(data):
    return [MAKOTO, "attest", "origin", data, "--source", "bench", "--collector", "bench",
            "--replace"]


def core_seconds(command, folder):
    """Time on any core, which other programs on the machine disturb little."""
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen(command, cwd=folder, stdout=null, stderr=null)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status != 0:
        sys.exit(f"{command} ended with {status}")
    return usage.ru_utime + usage.ru_stime


def pyarrow_read(path):
    ran = subprocess.run([sys.executable, "-c", READ, path], check=True, capture_output=True,
                         text=True)
    return float(ran.stdout)


def compare(name, path, rows, text, compression, folder):
    peak = peak_memory(attest(path), folder)
    busy = min(core_seconds(attest(path), folder) for _ in range(PAIRS))
    ours, theirs = [], []
    for _ in range(PAIRS):
        ours.append(run(attest(path), folder))
        theirs.append(pyarrow_read(path))
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    bound = rows * compressions(text) * compression
    verdict = "ok" if peak <= 64 else "MISSED"
    print(
        f"{name:34} {rows / ours / 1e6:5.2f} M rows/s, {rows / busy / 1e6:5.2f} M per core-second"
        f"  {busy / bound:4.1f} x SHA-256"
        f"  {ours / theirs:5.1f} x pyarrow's read  peak {peak:.0f} MiB  {verdict}",
        flush=True,
    )


def narrow(rows):
    random = numpy.random.default_rng(1)
    return pa.table({
        "id": pa.array(numpy.arange(rows) * 7919, pa.int64()),
        "price": random.random(rows) * 1000,
        "name": pa.array(numpy.char.add("item-", (numpy.arange(rows) % 5000).astype(str))),
    })


def wide(rows):
    random = numpy.random.default_rng(1)
    return pa.table({f"column_{n:02}": random.integers(0, 1000, rows, numpy.int32)
                     for n in range(50)})


def main():
    folder = tempfile.mkdtemp(prefix="makoto-bench-")
    try:
        print(f"{CORES} cores, median of {PAIRS} pairs", flush=True)
        compression = seconds_per_compression(folder)
        table = narrow(ROWS)
        text = len('{"id":"39595000000","price":123.45678901234567,"name":"item-1234"}')
        path = os.path.join(folder, "narrow.parquet")
        pq.write_table(table, path)
        compare("three narrow columns, Parquet", path, ROWS, text, compression, folder)
        path = os.path.join(folder, "narrow.arrow")
        pa.feather.write_feather(table, path)
        compare("three narrow columns, Feather", path, ROWS, text, compression, folder)
        parts = os.path.join(folder, "parts")
        os.mkdir(parts)
        for n in range(20):
            part = table.slice(n * ROWS // 20, ROWS // 20)
            pq.write_table(part, os.path.join(parts, f"part-{n:02}.parquet"))
        compare("the same in 20 part files", parts, ROWS, text, compression, folder)
        rows = ROWS // 10
        path = os.path.join(folder, "wide.parquet")
        pq.write_table(wide(rows), path)
        text = 50 * len('"column_00":123,')
        compare("50 columns of int32, Parquet", path, rows, text, compression, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
