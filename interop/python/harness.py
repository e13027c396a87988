"""What the checks share: calling makoto, reading what it wrote, reporting."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

MAKOTO = os.environ["MAKOTO"]
ROOT = Path(__file__).resolve().parents[2]
WORK = Path(sys.argv[1]).resolve()

STATEMENT_KINDS = {
    f"https://makoto.dev/{kind}/v1": kind for kind in ("origin", "transform", "stream-window")
}


class Failed(Exception):
    """A check that did not hold."""


def ok(what):
    print(f"ok python: {what}", flush=True)


def same(what, theirs, ours):
    if theirs != ours:
        raise Failed(f"{what}\n  theirs: {theirs!r}\n  ours:   {ours!r}")


def call(*args, stdin=b"", cwd=None, status=0):
    """Runs makoto; fails unless it exits with `status`."""
    args = [str(arg) for arg in args]
    done = subprocess.run([MAKOTO, *args], input=stdin, capture_output=True, cwd=cwd)
    if done.returncode != status:
        output = (done.stdout + done.stderr).decode(errors="replace")
        raise Failed(f"makoto {args}: exit {done.returncode}, needed {status}\n{output}")
    return done


def attest(data, *extra):
    """Attests `data` as an origin and returns the subject of the statement."""
    source = ["--source", "urn:example:interop", "--collector", "interop"]
    call("attest", "origin", data, *source, "--replace", *extra)
    (subject,) = json.loads(Path(f"{data}.attestation").read_bytes())["subject"]
    return subject


def statements():
    """Every statement that makoto wrote below the scratch folder: (where, its bytes)."""
    for path in sorted(WORK.rglob("*.attestation")):
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
        for number, line in enumerate(lines, 1):
            yield f"{path.relative_to(WORK)} line {number}", line


def folder(name):
    path = WORK / "python" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def merkle_root(records):
    """RFC 6962 §2.1, as the RFC words it: split at the largest power of two below n."""
    leaves = [hashlib.sha256(b"\0" + record).digest() for record in records]

    def root(low, high):
        if high - low == 1:
            return leaves[low]
        split = 1
        while split * 2 < high - low:
            split *= 2
        children = root(low, low + split) + root(low + split, high)
        return hashlib.sha256(b"\1" + children).digest()

    return (root(0, len(leaves)) if leaves else hashlib.sha256(b"").digest()).hex()


def same_records(what, records, subject):
    """Compares count and root with those of `subject`."""
    digest = subject["digest"]
    same(f"{what}: recordCount", str(len(records)), digest["recordCount"])
    same(f"{what}: merkleRoot", merkle_root(records), digest["merkleRoot"])
