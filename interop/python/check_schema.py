"""The published JSON Schemas, read by a validator that knows nothing of makoto."""

import base64
import copy
import json
from collections import Counter

from jsonschema import Draft202012Validator as Validator

from harness import ROOT, STATEMENT_KINDS, Failed, call, ok, same, statements

# What no JSON Schema says, by the beginning or the middle of a case's id.
BEYOND_SCHEMA = {
    "bytes-": "json.loads has already let it through: duplicate keys, lone surrogates, encodings",
    "-newline": "Python's $ also matches before a last line end; ECMA-262's does not",
    "-finished-before-": "two times in order",
    "window-bounds-": "two times in order",
    "window-chain-": "two fields that agree",
    "window-empty-": "two fields that agree",
    "window-root-": "two fields that agree",
    "window-algorithm-": "a length that depends on another field",
}


def validators(formats):
    made = {}
    for kind in STATEMENT_KINDS.values():
        schema = json.loads((ROOT / "schemas" / f"{kind}.json").read_bytes())
        made[kind] = Validator(schema, format_checker=Validator.FORMAT_CHECKER if formats else None)
    return made


def check_schemas():
    for kind in [*STATEMENT_KINDS.values(), "dbom"]:
        published = json.loads((ROOT / "schemas" / f"{kind}.json").read_bytes())
        same(f"schemas/{kind}.json", json.loads(call("schema", kind).stdout), published)
        Validator.check_schema(published)
    ok("jsonschema: 4 published schemas are good 2020-12, and what `makoto schema` prints")


def check_statements():
    kinds = Counter()
    strict = validators(formats=True)
    for where, text in statements():
        document = json.loads(text)
        kind = STATEMENT_KINDS[document["predicateType"]]
        for error in strict[kind].iter_errors(document):
            raise Failed(f"{where}: {error.json_path}: {error.message}")
        kinds[kind] += 1
    for kind in ("origin", "transform"):
        ok(f"jsonschema: {kinds[kind]} {kind} statements, formats asserted")


def neighbours(document):
    """Near neighbours that must fail: (what was changed, the changed document)."""

    def change(what, edit):
        changed = copy.deepcopy(document)
        edit(changed)
        return what, changed

    def remove(*path):
        def edit(changed):
            for key in path[:-1]:
                changed = changed[key]
            del changed[path[-1]]
        return change("without " + ".".join(map(str, path)), edit)

    def put(value, *path):
        def edit(changed):
            for key in path[:-1]:
                changed = changed[key]
            changed[path[-1]] = value
        return change(".".join(map(str, path)) + f" = {value!r}"[:60], edit)

    sha256 = document["subject"][0]["digest"]["sha256"]
    for key in ("_type", "subject", "predicateType", "predicate"):
        yield remove(key)
        yield put(1, key)
    yield put([], "subject")
    yield put("https://in-toto.io/Statement/v0.1", "_type")
    yield put("https://makoto.dev/origin/v2", "predicateType")
    yield remove("subject", 0, "name")
    yield put("", "subject", 0, "name")
    yield remove("subject", 0, "digest")
    yield remove("subject", 0, "digest", "sha256")
    for bad in (sha256[1:], sha256 + "0", sha256[:-1] + "g", sha256.upper(), "0x" + sha256[2:], 5):
        if bad != sha256:
            yield put(bad, "subject", 0, "digest", "sha256")
    if "recordCount" in document["subject"][0]["digest"]:
        for bad in (2, "-1", "+2", "2.0", "two", ""):
            yield put(bad, "subject", 0, "digest", "recordCount")
        yield put(sha256[1:], "subject", 0, "digest", "merkleRoot")
    predicate = document["predicate"]
    if "origin" in predicate:
        yield remove("predicate", "origin")
        yield remove("predicate", "origin", "source")
        yield remove("predicate", "origin", "collectionTimestamp")
        yield remove("predicate", "collector")
        yield remove("predicate", "collector", "id")
        yield put("", "predicate", "collector", "id")
        yield put(1, "predicate", "origin", "sourceType")
        for bad in ("2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", 1):
            yield put(bad, "predicate", "origin", "collectionTimestamp")
    if "transform" in predicate:
        yield remove("predicate", "transform")
        yield remove("predicate", "transform", "type")
        yield put("filter", "predicate", "transform", "type")
        yield remove("predicate", "inputs")
        yield put([], "predicate", "inputs")
        yield remove("predicate", "inputs", 0, "digest")
        yield remove("predicate", "inputs", 0, "digest", "sha256")
        yield put(sha256[1:], "predicate", "inputs", 0, "digest", "sha256")
        yield remove("predicate", "executor")
        yield remove("predicate", "executor", "id")
        yield put({"startedOn": "yesterday"}, "predicate", "metadata")


def check_neighbours():
    strict = validators(formats=True)
    total = Counter()
    for where, text in statements():
        if not where.startswith("python/statements"):
            continue
        document = json.loads(text)
        kind = STATEMENT_KINDS[document["predicateType"]]
        for what, changed in neighbours(document):
            if strict[kind].is_valid(changed):
                raise Failed(f"{where} {what}: the schema accepts it")
            call("validate", "-", stdin=json.dumps(changed).encode(), status=1)
            total[kind] += 1
    for kind, count in sorted(total.items()):
        ok(f"jsonschema and makoto validate refuse {count} near neighbours of {kind} statements")


def check_testkit():
    """Every valid case fits; every invalid one is refused, or is beyond what a schema says."""
    loose, strict = validators(formats=False), validators(formats=True)
    accepted, refused, beyond = 0, 0, 0
    for path in sorted((ROOT / "testkit" / "statements").glob("*.json")):
        case = json.loads(path.read_bytes())
        try:
            document = case.get("input") or json.loads(base64.b64decode(case["input_base64"]))
            kind = STATEMENT_KINDS[document["predicateType"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # not JSON for Python, or not one of these statements
        if case["expect"] == "valid":
            # Formats are not asserted here: the validator's date-time knows no leap second.
            for error in loose[kind].iter_errors(document):
                raise Failed(f"{case['id']}: {error.json_path}: {error.message}")
            accepted += 1
        elif not strict[kind].is_valid(document):
            refused += 1
        elif any(part in case["id"] for part in BEYOND_SCHEMA):
            beyond += 1
        else:
            raise Failed(f"{case['id']}: the schema accepts it: {case['about']}")
    ok(f"jsonschema agrees with testkit/statements: {accepted} accepted, {refused} refused, "
       f"{beyond} invalid in a way that a schema cannot say")


CHECKS = [check_schemas, check_statements, check_neighbours, check_testkit]
