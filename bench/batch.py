"""Many small files in one command, beside one command for each and beside the bare disk.

The bare disk is what any program must do for as many durable files: write each, fsync it, give it
its name, and fsync the folder, by 8 threads. Runs take turns, so that a machine that is slow today
is slow for all.

usage: MAKOTO=target/release/makoto python3 bench/batch.py [--quick]
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

MAKOTO = os.path.abspath(os.environ.get("MAKOTO", "target/release/makoto"))
QUICK = "--quick" in sys.argv
FILES = 2_000 if QUICK else 10_000
ROUNDS = 3 if QUICK else 5
# Bytes of an attestation of a small table.
SIDECAR = b"x" * 900
GROUP = 256


def attest(*data):
    return [MAKOTO, "attest", "origin", *data, "--source", "bench", "--collector", "bench"]


def run(command, cwd):
    """Runs a command; returns wall seconds."""
    with open(os.devnull, "wb") as null:
        start = time.perf_counter()
        status = subprocess.run(command, cwd=cwd, stdout=null, stderr=null, check=False).returncode
        wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{command[:4]} ended with {status}")
    return wall


def forget(folder):
    for name in os.listdir(folder):
        if not name.endswith(".csv"):
            os.remove(os.path.join(folder, name))


def bare_disk(folder):
    """Writes as many files of the size of an attestation; returns wall seconds."""

    def write(index):
        name = os.path.join(folder, f"{index}.tmp")
        file = os.open(name, os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(file, SIDECAR)
        os.fsync(file)
        os.close(file)
        return name

    start = time.perf_counter()
    directory = os.open(folder, os.O_RDONLY)
    with ThreadPoolExecutor(8) as threads:
        for first in range(0, FILES, GROUP):
            for name in threads.map(write, range(first, min(FILES, first + GROUP))):
                os.rename(name, name + ".done")
            os.fsync(directory)
    os.close(directory)
    return time.perf_counter() - start


def peak_memory(command, cwd):
    """Peak resident memory of a command in MiB, asked of the kernel while it runs."""
    peak = 0
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen(command, cwd=cwd, stdout=null, stderr=null)
        while process.poll() is None:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                lines = dict(line.split(":", 1) for line in status)
            if "VmHWM" in lines and lines["Name"].strip() == "makoto":
                peak = max(peak, int(lines["VmHWM"].split()[0]) / 1024)
            time.sleep(0.005)
    return peak


def told(name, seconds, note=""):
    median = statistics.median(seconds)
    rates = sorted(FILES / second for second in seconds)
    print(
        f"{name:34} {FILES / median:8,.0f} files/s ({rates[0]:,.0f} to {rates[-1]:,.0f})  {note}",
        flush=True,
    )


def main():
    folder = tempfile.mkdtemp(prefix="makoto-bench-")
    try:
        for index in range(FILES):
            with open(os.path.join(folder, f"{index:05}.csv"), "w", encoding="ascii") as out:
                out.write("id,value\n" + "".join(f"{index},{row}\n" for row in range(20)))
        print(f"{os.cpu_count()} cores, {FILES:,} files, median of {ROUNDS} rounds", flush=True)
        batch, again, verify, disk = [], [], [], []
        for _ in range(ROUNDS):
            batch.append(run(attest("*.csv"), folder))
            again.append(run(attest("*.csv"), folder))
            verify.append(run([MAKOTO, "verify", "*.csv"], folder))
            forget(folder)
            disk.append(bare_disk(folder))
            forget(folder)
        single = 300
        start = time.perf_counter()
        for index in range(single):
            run(attest(f"{index:05}.csv"), folder)
        alone = single / (time.perf_counter() - start)
        forget(folder)
        rate = FILES / statistics.median(batch)
        ratio = statistics.median(b / d for b, d in zip(batch, disk))
        verdict = "ok" if rate >= 2_000 else "MISSED"
        told("attest", batch, f"bound 2,000; {ratio:.2f} x the bare disk's time; {verdict}")
        told("attest again, nothing changed", again)
        told("verify", verify)
        told("bare disk", disk)
        print(f"{'one command for each':34} {alone:8,.0f} files/s")
        print(f"{'peak memory of attest':34} {peak_memory(attest('*.csv'), folder):8.0f} MiB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
