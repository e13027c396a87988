"""CSV records found by Python's csv module; compressed content read by Python's own readers."""

import base64
import csv
import gzip
import hashlib
import io
import json
import random

import rfc8785

from harness import ROOT, Failed, attest, call, folder, ok, same, same_records


def csv_records(data, delimiter=",", quote='"'):
    """Bytes of each record without its line end. The csv module says which lines belong together."""
    taken = []

    def lines():
        for line in io.BytesIO(data):  # ends lines at LF only
            taken.append(line)
            yield line.decode("latin-1")

    reader = csv.reader(lines(), delimiter=delimiter, quotechar=quote, strict=True)
    records = []
    for _ in reader:
        raw = b"".join(taken)
        taken.clear()
        records.append(raw.removesuffix(b"\n").removesuffix(b"\r") if raw.endswith(b"\n") else raw)
    return records


def random_csv(delimiter, quote, line_end, rows):
    """Written by the csv module, so that its quoting is theirs."""
    random.seed(4180)
    pieces = ["", "a", "\n", "\r\n", quote, quote * 2, delimiter, " ", "é", "😀", "x" * 50, "'"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quotechar=quote, lineterminator=line_end)
    writer.writerow(["id", "first\nsecond", "last"])
    for row in range(rows):
        writer.writerow([row, *("".join(random.choices(pieces, k=3)) for _ in range(2))])
    return text.getvalue().encode()


def check_csv():
    for name, delimiter, quote, line_end in [("comma", ",", '"', "\n"), ("crlf", ",", '"', "\r\n"),
                                             ("semicolon", ";", "'", "\r\n"), ("tab", "\t", '"', "\n")]:
        data = random_csv(delimiter, quote, line_end, 4000)
        path = folder("csv") / f"{name}.csv"
        path.write_bytes(data)
        options = ["--delimiter", "tab" if delimiter == "\t" else delimiter, "--quote", quote]
        header, *records = csv_records(data, delimiter, quote)
        lines = data.count(b"\n")
        if lines < len(records) * 1.2:
            raise Failed(f"{name}: hardly any line end is quoted")
        subject = attest(path, *options)
        same_records(name, records, subject)
        annotation = subject["annotations"]["https://makoto.dev/records/v1"]
        same(f"{name}: headerDigest", hashlib.sha256(header).hexdigest(),
             annotation["headerDigest"]["sha256"])
        same_records(f"{name} without header", [header, *records],
                     attest(path, *options, "--no-header"))
        ok(f"csv module: count, root, headerDigest of {len(records)} records, {name}, "
           f"{lines} lines")


def check_bad_csv():
    path = folder("csv") / "bad.csv"
    refused = [b'a,b\n1,"open\n2,x\n', b'a,b\n1,"x"y\n']
    for data in refused:
        path.write_bytes(data)
        try:
            csv_records(data)
        except csv.Error:
            call("attest", "origin", path, "--source", "urn:x:y", "--collector", "c", status=2)
            continue
        raise Failed(f"the csv module reads {data!r}")
    ok(f"csv module (strict) and makoto refuse {len(refused)} badly quoted files")


def check_gzip():
    data = random_csv(",", '"', "\r\n", 3000)
    cut = len(data) // 3
    plain = folder("gzip") / "plain.csv"
    plain.write_bytes(data)
    expected = attest(plain)
    forms = {
        "level-1": gzip.compress(data, 1),
        "level-9": gzip.compress(data, 9),
        "two-members": gzip.compress(data[:cut]) + gzip.compress(data[cut:]),
        "with-empty-member": gzip.compress(b"") + gzip.compress(data),
    }
    for name, stored in forms.items():
        path = folder("gzip") / f"{name}.csv.gz"
        path.write_bytes(stored)
        same(f"{name}: inflated", gzip.decompress(stored), data)
        subject = attest(path)
        same(f"{name}: sha256", hashlib.sha256(stored).hexdigest(), subject["digest"]["sha256"])
        for key in ("recordCount", "merkleRoot"):
            same(f"{name}: {key}", expected["digest"][key], subject["digest"][key])
    ok(f"gzip module: {len(forms)} ways to compress, sha256 of the stored bytes, root of the content")


def check_testkit():
    """testkit/records worked out again: JSON Lines split here, CSV by the csv module."""
    counts = {"jsonl": 0, "csv": 0}
    for path in sorted((ROOT / "testkit" / "records").glob("*.json")):
        case = json.loads(path.read_bytes())
        settings = case["settings"]
        if case.get("error") or settings.get("quote") == "none":
            continue
        data = base64.b64decode(case["data_base64"])
        if settings["format"] == "jsonl":
            lines = [line.removesuffix(b"\n") for line in io.BytesIO(data)]
            ended = len(lines) - (0 if not data or data.endswith(b"\n") else 1)
            lines[:ended] = [line.removesuffix(b"\r") for line in lines[:ended]]
            records = [line for line in lines if line]
            if settings["encoding"] == "rfc8785":
                records = [rfc8785.dumps(json.loads(record)) for record in records]
        else:
            records = csv_records(data, settings["delimiter"], settings["quote"])
            if settings["header"] and records:
                same(f"{case['id']}: headerDigest", hashlib.sha256(records.pop(0)).hexdigest(),
                     case["headerDigest"])
        expected = {"digest": {**case, "recordCount": str(case["recordCount"])}}
        same_records(case["id"], records, expected)
        counts[settings["format"]] += 1
    ok(f"csv module, rfc8785 agree with testkit/records: {counts['jsonl']} of JSON Lines, "
       f"{counts['csv']} of CSV")


CHECKS = [check_csv, check_bad_csv, check_gzip, check_testkit]
