"""Has makoto write statements of every kind it writes, with every option, for others to read."""

import gzip
import json

from harness import call, folder

CSV = 'id,note\r\n1,"two\r\nlines"\r\n2,größe\r\n'
LINES = '{"b": 1.50, "a": "é"}\n{"a": [1e2, null]}\n'
PARAMETERS = {
    "a number": 0.1,
    "small": 5e-324,
    "tiny": 1e-7,
    "negative zero": -0.0,
    "largest": 2**53 - 1,
    "list": [1, 2.50, True, None, {"ü": "\u2028\u007f\u0001 \" \\ /"}],
    "\U0001f600": "above the basic plane",
    "\ufb33": "sorts after it in UTF-16",
    "api_token": "this is masked",
}


def main():
    data = folder("statements")
    at = lambda name: data / name
    at("plain.bin").write_bytes(bytes(range(256)))
    at("empty.txt").write_bytes(b"")
    at("raw.csv").write_bytes(CSV.encode())
    at("semi.txt").write_bytes(b"'a;b';c\n'd\n';e\n")
    at("table.tsv").write_bytes(b"a\tb\n1\t2\n")
    at("lines.jsonl").write_bytes(LINES.encode())
    at("lines.ndjson.gz").write_bytes(gzip.compress(LINES.encode(), mtime=0))
    at("größe 😀.csv").write_bytes(CSV.encode())
    at("step.py").write_text("import sys, shutil; shutil.copy(*sys.argv[1:3])\n")
    at("parameters.json").write_text(json.dumps(PARAMETERS))
    parts = at("parts")
    (parts / "x=1").mkdir(parents=True)
    (parts / "x=1" / "part-0.csv").write_bytes(CSV.encode())
    (parts / "é").write_bytes(b"e")

    def origin(*args):
        call("attest", "origin", *args, "--source", "https://erp.example.com/orders?q=1&r=%20",
             "--collector", "etl/orders", cwd=data)

    origin("plain.bin")
    origin("empty.txt")
    origin("semi.txt", "--format", "csv", "--delimiter", ";", "--quote", "'", "--no-header")
    origin("table.tsv")
    origin("lines.jsonl", "--canonical")
    origin("lines.ndjson.gz")
    origin("größe 😀.csv")
    origin("parts")
    origin("raw.csv", "--name", "dataset:größe 😀 \u202e\"\\/",
           "--source-type", "api", "--method", "scheduled-pull",
           "--collected-at", "2026-01-31T23:59:59.123456789+05:30",
           "--geography", "DE-BE", "--consent", "contractual",
           "--consent-reference", "https://example.com/terms", "--consent-obtained",
           "2025-01-01T00:00:00Z", "--consent-expires", "2027-01-01T00:00:00Z",
           "--collector-version", "etl=1.2.3", "--collector-version", "driver=4",
           "--environment", "production", "--platform", "kubernetes",
           "--schema-format", "csv", "--schema-ref", "https://example.com/schema.json",
           "--schema-digest", "ab" * 32, "--schema-version", "3", "--license", "CC-BY-4.0",
           "--dta-version", "1.0.0", "--dta-title", "Orders — “all”", "--dta-issuer", "Acme",
           "--dta-description", "a\tb", "--dta-geography", "EU", "--dta-method", "export",
           "--dta-format", "CSV", "--dta-confidentiality", "internal", "--dta-use", "research",
           "--collection-duration", "PT45M", "--records-dropped", "7")
    # A second line in the sidecar.
    at("plain.bin").write_bytes(b"other bytes")
    origin("plain.bin", "--append")

    at("clean.csv").write_bytes(CSV.encode())
    at("rest.jsonl").write_bytes(LINES.encode())
    call("attest", "transform", "clean.csv", "rest.jsonl", "--input", "raw.csv", "--input",
         "parts", "--type", "filter", "--executor", "etl/clean", "--step", "Clean",
         "--description", "keeps it", "--step-version", "2", "--param", "rows=\"price > 0\"",
         "--params", "parameters.json", "--platform", "kubernetes", "--executor-version", "py=3",
         "--environment", "production", "--isolation", "container",
         "--code-uri", "https://git.example.com/etl.git", "--code-commit", "c0ffee" * 6 + "c0ff",
         "--code-path", "clean.py", "--code-digest", "cd" * 32,
         "--started", "2026-11-21T08:00:00Z", "--finished", "2026-11-21T08:01:00.5Z",
         "--invocation-id", "run-1", cwd=data)
    call("attest", "transform", "step.py", "--input", "plain.bin", "--type",
         "https://acme.example/split/v2", "--executor", "etl/split", cwd=data)
    call("run", "--input", "raw.csv", "--output", "copy.csv", "--",
         "python3", "step.py", "{input}", "{output}", cwd=data)
    call("run", "--input", "parts", "--output", "list.txt", "--executor", "me", "--",
         "sh", "-c", "ls parts > list.txt", cwd=data)


if __name__ == "__main__":
    main()
