"""The in-toto attestation library reads what makoto writes, and the other way round."""

import json

from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from harness import Failed, attest, call, folder, ok, same, statements


def check_read():
    """Parsed strictly (unknown fields refused), validated, and nothing lost on the way."""
    count = 0
    for where, text in statements():
        statement = json_format.Parse(text, statement_pb2.Statement(), ignore_unknown_fields=False)
        Statement.copy_from_pb(statement).validate()
        same(f"{where}: read back", json_format.MessageToDict(statement), json.loads(text))
        count += 1
    ok(f"in-toto-attestation: {count} statements parsed strictly, validate(), same values")


def check_neighbours():
    _, text = next(statements())
    statement = json.loads(text)
    neighbours = {
        "field at statement level": {**statement, "x": 1},
        "field in the subject": {**statement, "subject": [{**statement["subject"][0], "x": 1}]},
        "no subject": {**statement, "subject": []},
        "no predicate": {k: v for k, v in statement.items() if k != "predicate"},
        "other type": {**statement, "_type": "https://in-toto.io/Statement/v2"},
    }
    for what, neighbour in neighbours.items():
        try:
            parsed = json_format.ParseDict(neighbour, statement_pb2.Statement())
            Statement.copy_from_pb(parsed).validate()
        except (json_format.ParseError, ValueError):
            continue
        raise Failed(f"in-toto-attestation accepts a statement with {what}")
    ok(f"in-toto-attestation refuses {len(neighbours)} near neighbours of ours")


def written_by_them(subject):
    """A statement built from nothing but their classes."""
    descriptor = ResourceDescriptor(
        name=subject["name"],
        digest=subject["digest"],
        media_type=subject["mediaType"],
        annotations=subject["annotations"],
    )
    predicate = {
        "origin": {
            "source": "https://erp.example.com/orders",
            "sourceType": "api",
            "collectionMethod": "pull",
            "collectionTimestamp": "2026-11-21T08:00:00Z",
        },
        "collector": {"id": "theirs"},
        "metadata": {"recordsCollected": 2},
    }
    statement = Statement([descriptor.pb], "https://makoto.dev/origin/v1", predicate)
    statement.validate()
    return statement.pb


def check_written():
    """Theirs: protobuf JSON, any key order, indented; whole numbers come out as 2.0."""
    data = folder("theirs") / "orders.csv"
    data.write_bytes(b'id,note\n1,"a\nb"\n2,c\n')
    statement = written_by_them(attest(data))
    forms = {
        "protobuf JSON, indented": json_format.MessageToJson(statement),
        "protobuf JSON, one line": json_format.MessageToJson(statement, indent=None),
        "protobuf JSON, escaped": json_format.MessageToJson(statement, ensure_ascii=True),
        "json.dumps, keys sorted": json.dumps(json_format.MessageToDict(statement), indent=4,
                                              sort_keys=True),
    }
    for what, text in forms.items():
        call("validate", "-", stdin=text.encode())
        other = data.with_name("theirs.json")
        other.write_text(text)
        call("verify", data, "--attestation", other)
    ok(f"makoto validate - and verify accept their origin/v1 in {len(forms)} forms")

    del statement.predicate["collector"]
    call("validate", "-", stdin=json_format.MessageToJson(statement).encode(), status=1)
    statement = written_by_them(attest(data))
    statement.subject[0].digest["merkleRoot"] = "0" * 64
    other.write_text(json_format.MessageToJson(statement))
    call("verify", data, "--attestation", other, status=1)
    ok("makoto refuses theirs without a collector, and with another merkleRoot")


CHECKS = [check_read, check_neighbours, check_written]
