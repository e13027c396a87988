"""Speed and memory of `makoto lineage` over large stores.

The store is written here, in its documented form (docs/discovery.md): a tenth of the
attestations are origins, the others steps with one to three inputs, in a chain that is as deep
as it is long. No other program walks such files, so the figures stand beside the least that any
program does: opening, reading and hashing every attestation once (`floor`).

usage: MAKOTO=target/release/makoto python3 bench/lineage.py [--quick]
"""

import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

MAKOTO = os.path.abspath(os.environ.get("MAKOTO", "target/release/makoto"))
QUICK = "--quick" in sys.argv


def sha(data):
    return hashlib.sha256(data).hexdigest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Store:
    """Writes a store, file by file."""

    def __init__(self, root):
        self.root = root
        os.makedirs(root)
        with open(os.path.join(root, "makoto-store"), "w", encoding="ascii") as marker:
            marker.write("makoto store v1\n")

    def put(self, statement):
        payload = canonical(statement)
        name = sha(payload)
        entries = [("subject", s["digest"]["sha256"]) for s in statement["subject"]]
        entries += [("input", i["digest"]["sha256"]) for i in statement["predicate"].get("inputs", [])]
        for index, digest in entries:
            folder = os.path.join(self.root, index, digest[:2], digest[2:])
            os.makedirs(folder, exist_ok=True)
            open(os.path.join(folder, name), "wb").close()
        folder = os.path.join(self.root, "id", name[:2])
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name[2:]), "wb") as file:
            file.write(payload)
        return name


def statement(kind, name, digest, predicate):
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest, "recordCount": "1000"}}],
        "predicateType": f"https://makoto.dev/{kind}/v1",
        "predicate": predicate,
    }


def build(root, count):
    """A store of `count` attestations; returns the digest of the last dataset."""
    random.seed(7)
    store, origins, last = Store(root), [], None
    for index in range(count):
        name, digest = f"dataset:{index}", sha(b"%d" % index)
        if index % 10 == 0:
            origin = {
                "origin": {
                    "source": f"https://erp.example.com/{index}",
                    "collectionTimestamp": "2026-11-21T08:00:00Z",
                },
                "collector": {"id": "bench"},
            }
            made = (name, digest, store.put(statement("origin", name, digest, origin)))
            origins.append(made)
            last = last or made
            continue
        # The newest origin is always read, so that none is left over.
        inputs = [last] + [o for o in {origins[-1], random.choice(origins)} if o != last]
        step = {
            "inputs": [
                {
                    "name": n,
                    "digest": {"sha256": d},
                    "attestationRef": f"urn:makoto:attestation:sha256:{i}",
                }
                for n, d, i in sorted(inputs)
            ],
            "transform": {"type": "https://makoto.dev/transforms/join", "name": f"step {index}"},
            "executor": {"id": "bench"},
            "metadata": {
                "startedOn": "2026-11-21T08:00:00Z",
                "finishedOn": "2026-11-21T08:01:00Z",
            },
        }
        last = (name, digest, store.put(statement("transform", name, digest, step)))
    return last[1]


def walk(store, digest):
    """Seconds, peak MiB, and stages of one walk."""
    command = [MAKOTO, "lineage", f"sha256:{digest}", "--store", store, "--json"]
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, cwd=empty)
        peak = 0
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                    for line in status:
                        if line.startswith("VmHWM"):
                            peak = max(peak, int(line.split()[1]) / 1024)
            except OSError:
                pass
            time.sleep(0.002)
        wall = time.perf_counter() - start
        out.seek(0)
        told = json.load(out)
    if told["verdict"] != "pass":
        sys.exit(f"the walk did not pass: {told['checks'][-1]}")
    return wall, peak, len(told["nodes"])


def floor(store):
    """Seconds to open, read and hash every attestation."""
    start = time.perf_counter()
    for folder, _, files in os.walk(os.path.join(store, "id")):
        for file in files:
            with open(os.path.join(folder, file), "rb") as data:
                hashlib.sha256(data.read()).digest()
    return time.perf_counter() - start


def main():
    with tempfile.TemporaryDirectory() as temporary:
        for count, bound, runs in [(1_000, 0.1, 7), (100_000, 5.0, 1 if QUICK else 3)]:
            store = os.path.join(temporary, str(count))
            digest = build(store, count)
            read = floor(store)
            walks = [walk(store, digest) for _ in range(runs)]
            wall = statistics.median(w for w, _, _ in walks)
            peak = max(p for _, p, _ in walks)
            print(
                f"lineage over {walks[0][2]:7} attestations  {wall:6.3f} s (bound {bound} s)"
                f"  {wall / read:.2f} x reading and hashing each once in Python ({read:.3f} s)"
                f"  peak {peak:.0f} MiB"
            )


main()
