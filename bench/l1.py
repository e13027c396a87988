"""Speed and memory of makoto beside openssl, in one run.

Every figure is a ratio of whole processes that ran in turn on the same files, as the median of
the pairs, so that a machine that is slow today is slow for both. One SHA-256 stream cannot be
faster than the machine's own; `openssl dgst -sha256` is that limit, and is printed beside.

usage: MAKOTO=target/release/makoto python3 bench/l1.py [--quick]
"""

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MAKOTO = os.path.abspath(os.environ.get("MAKOTO", "target/release/makoto"))
QUICK = "--quick" in sys.argv
PAIRS = 3 if QUICK else 7
MIB = 1 << 20


def run(command, cwd, watch=lambda pid: None):
    """Runs a command; returns wall seconds. `watch` is called while it runs."""
    with open(os.devnull, "wb") as null:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=null, stderr=null)
        watch(process.pid)
        status = process.wait()
        wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{command} ended with {status}")
    return wall


def peak_memory(command, cwd):
    """Runs a command and returns its peak resident memory in MiB.

    Asked of the kernel while it runs: what wait4 tells includes this program before the exec.
    """
    peak = 0

    def watch(pid):
        nonlocal peak
        while True:
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                lines = dict(line.split(":", 1) for line in status)
            if "VmHWM" not in lines:
                return
            if lines["Name"].strip() == "makoto":
                peak = max(peak, int(lines["VmHWM"].split()[0]) / 1024)
            time.sleep(0.002)

    run(command, cwd, watch)
    return peak


def pairs(name, limit, makoto, other, cwd, size):
    """Runs two commands in turn and prints the median of their ratio."""
    peak = peak_memory(makoto, cwd)
    run(other, cwd)
    ratios, ours, theirs = [], [], []
    for _ in range(PAIRS):
        ours.append(run(makoto, cwd))
        theirs.append(run(other, cwd))
        ratios.append(ours[-1] / theirs[-1])
    ratio = statistics.median(ratios)
    speed = size / statistics.median(ours) / 1e9
    speed_other = size / statistics.median(theirs) / 1e9
    verdict = "ok" if ratio <= limit and 0 < peak <= 64 else "MISSED"
    print(
        f"{name:44} {ratio:5.2f} x openssl (bound {limit:.2f}; {min(ratios):.2f} to {max(ratios):.2f})"
        f"  {speed:.2f} GB/s, openssl {speed_other:.2f} GB/s  peak {peak:.0f} MiB  {verdict}",
        flush=True,
    )


def attest(data, *more):
    return [MAKOTO, "attest", "origin", data, "--source", "bench", "--collector", "bench",
            "--replace", *more]


def write_random(path, size):
    block = random.Random(1).randbytes(8 * MIB)
    with open(path, "wb") as out:
        for index in range(size // len(block)):
            out.write(index.to_bytes(8, "big") + block[8:])


def write_lines(path, count):
    with open(path, "wb") as out:
        for first in range(0, count, 10_000):
            lines = (
                b'{"sensor":"s%06d","t":%d,"value":%06d,"unit":"C","note":"%s"}\n'
                % (n % 1000, 1_700_000_000 + n, n * 7919 % 1_000_000, b"x" * 28)
                for n in range(first, first + 10_000)
            )
            out.write(b"".join(lines))
    assert os.path.getsize(path) == 100 * count, os.path.getsize(path) / count


def main():
    folder = tempfile.mkdtemp(prefix="makoto-bench-")
    try:
        print(f"{os.cpu_count()} cores, median of {PAIRS} pairs; bounds from the issue", flush=True)

        size = (512 if QUICK else 4096) * MIB
        big = os.path.join(folder, "big.bin")
        write_random(big, size)
        pairs(f"{size // MIB} MiB of bytes, digest", 1.10, attest(big),
              ["openssl", "dgst", "-sha256", big], folder, size)
        os.remove(big)

        count = (1 if QUICK else 10) * 1_000_000
        lines = os.path.join(folder, "lines.jsonl")
        write_lines(lines, count)
        pairs(f"{count // 1_000_000} M JSON Lines of 100 bytes, with tree", 2.20, attest(lines),
              ["openssl", "dgst", "-sha256", lines], folder, 100 * count)
        os.remove(lines)

        files = 1_000 if QUICK else 10_000
        parts = os.path.join(folder, "parts")
        os.mkdir(parts)
        for index in range(files):
            with open(os.path.join(parts, f"part-{index:05}"), "wb") as out:
                out.write(random.Random(index).randbytes(100 << 10))
        names = sorted(os.listdir(parts))
        pairs(f"folder of {files} files of 100 KiB", 0.80, attest(parts),
              ["sh", "-c", 'cd parts && openssl dgst -sha256 "$@"', "sh", *names], folder,
              files * (100 << 10))

        small = os.path.join(folder, "small.csv")
        with open(small, "w", encoding="utf-8") as out:
            out.write("id,price\n" + "".join(f"{n},{n * 7}\n" for n in range(100)))
        run(attest(small), folder)
        verify = [run([MAKOTO, "verify", small], folder) * 1000 for _ in range(101)]
        median = statistics.median(verify)
        word = "ok" if median <= 10 else "MISSED"
        print(f"{'verify of a small file, whole process':44} median {median:.1f} ms (bound 10 ms)  {word}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
