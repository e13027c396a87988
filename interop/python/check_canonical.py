"""RFC 8785: what makoto writes, and the leaves that it makes of JSON records."""

import json
import random
import struct

import rfc8785

from harness import Failed, attest, call, folder, ok, same, same_records, statements

# Texts, not values: each form of a number, an escape or a key order is what is tested.
TRICKY = r"""
{}
[]
null
true
"just a string"
-0
-0.0
0e5
1E2
1.0
1.50
100e-2
0.1e1
123456789012345.6
0.000001
0.0000001
1e-7
9007199254740991
-9007199254740991
9007199254740991.0
9.007199254740991e15
4503599627370496.5
4503599627370495.5
5e-324
4.9406564584124654e-324
2.4703282292062328e-324
2.2250738585072014e-308
2.2250738585072011e-308
333333333.33333329
0.1
0.30000000000000004
0.1000000000000000055511151231257827021181583404541015625
1.7976931348623157e-300
1e-400
[1,2.0,3e0,{"b":[{"d":1,"c":2}],"a":[]}]
 { "b" : 1 ,	"a" : 2 } 
{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}
{"😀":1,"｡":2,"ﬀ":3,"\ue000":4,"\uffff":5,"𐀀":6,"a":7,"aa":8,"A":9,"":10,"_":11}
{"a😀":1,"a｡":2,"aﬀ":3,"😀a":4,"😀😀":5,"😀｡":6,"｡😀":7}
{"é":"composed","e\u0301":"decomposed","é ":0}
{"10":1,"9":2,"1":3,"01":4,"-1":5}
"\u0000\u0001\u0007\b\t\n\u000b\f\r\u001b\u001f \u007f\u0080\u009f"
"\/ / \\ \" \u0022 \u005c \u002f \u003c\u003e\u0026 '"
"\u2028\u2029\ufeff\u200b\u202e\ufffd\ufffe\uffff"
"\uD834\uDD1E 𝄞 \ud83D\uDe00"
{"\u0000":1,"\n":2," ":3,"\u007f":4}
{"nested":{"z":{"z":{"z":{"b":0,"a":1}}},"a":[[[[{"y":1,"x":2}]]]]}}
"""

# RFC 8785 leaves the double's range to the reader. FORMATS §1 refuses an integer that a double
# may have changed, however it is written; the library refuses only those that Python reads as int.
REFUSED_BY_BOTH = ["9007199254740992", "-9007199254740992", "1" + "0" * 30, "[1,NaN]", "Infinity"]
REFUSED_BY_US = ["9007199254740992.0", "1e21", "1E30", "-1.7e308", '{"a":1,"a":1}', r'"\ud800"']


def check_statements():
    """Read by Python, written by the library: the same bytes."""
    count = 0
    for where, text in statements():
        same(f"{where}: RFC 8785 form", rfc8785.dumps(json.loads(text)), text)
        count += 1
    if count < 15:
        raise Failed(f"only {count} statements found")
    ok(f"rfc8785 writes {count} statements byte for byte as makoto did")


def leaves(name, texts, line_end="\n"):
    path = folder("canonical") / f"{name}.jsonl"
    path.write_bytes("".join(text + line_end for text in texts).encode())
    records = [rfc8785.dumps(json.loads(text)) for text in texts]
    same_records(name, records, attest(path, "--canonical"))
    return records


def check_tricky_records():
    texts = TRICKY.strip("\n").split("\n")
    leaves("tricky", texts)
    for number, text in enumerate(texts):  # one by one, so that a difference names its record
        leaves(f"tricky-{number}", [text])
    ok(f"rfc8785 leaves = merkleRoot with --canonical: {len(texts)} tricky records")


def check_random_numbers():
    """Doubles of every exponent, as their shortest text and with more digits than they have."""
    random.seed(8785)
    texts = []
    while len(texts) < 60_000:
        bits = random.getrandbits(64)
        (number,) = struct.unpack("<d", struct.pack("<Q", bits))
        if abs(number) < 2**53:
            texts += [repr(number), f"{number:.17e}", f"{number:.25E}"]
        number = random.uniform(-1, 1) * 10 ** random.randint(-9, 15)
        texts += [repr(number), f"{number:.17g}", f"{number:.3f}"]
    leaves("numbers", texts)
    ok(f"rfc8785 leaves = merkleRoot with --canonical: {len(texts)} random numbers")


def check_random_objects():
    """Keys from all planes, so that UTF-16 order and UTF-8 order differ."""
    random.seed(3986)
    letters = "a1_ \"\\\x01\x7f\x80é\u0301€\u2028\ud7ff\ue000\ufb33\uff5e\uffff\U00010000\U0001f600\U0010ffff"

    def value(depth):
        kind = random.randrange(6 if depth < 4 else 4)
        if kind == 4:
            return [value(depth + 1) for _ in range(random.randrange(4))]
        if kind == 5:
            return {text(): value(depth + 1) for _ in range(random.randrange(7))}
        return [random.choice([None, True, False]), random.randint(-(2**53) + 1, 2**53 - 1),
                random.uniform(-1e9, 1e9), text()][kind]

    def text():
        return "".join(random.choices(letters, k=random.randrange(4)))

    texts = []
    for number in range(5_000):
        record = {text(): value(0) for _ in range(8)}
        texts.append(json.dumps(record, ensure_ascii=number % 2 == 0, indent=None))
    records = leaves("objects", texts, "\r\n")
    # Sorting by code points is not enough: it would give other leaves.
    plain = [json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False,
                        separators=(",", ":")).encode() for text in texts]
    if sum(a != b for a, b in zip(plain, records)) < 100:
        raise Failed("the records are too tame to tell UTF-16 order from code point order")
    ok(f"rfc8785 leaves = merkleRoot with --canonical: {len(texts)} random objects, keys of all planes")


def check_refusals():
    path = folder("canonical") / "refused.jsonl"
    for text in REFUSED_BY_BOTH + REFUSED_BY_US:
        try:
            rfc8785.dumps(json.loads(text))
            theirs = "written"
        except (rfc8785.CanonicalizationError, UnicodeEncodeError):
            theirs = "refused"
        if text in REFUSED_BY_BOTH:
            same(f"{text}: the library", theirs, "refused")
        path.write_text(f'{{"a":1}}\n{text}\n')
        done = call("attest", "origin", path, "--source", "urn:x:y", "--collector", "c",
                    "--canonical", status=2)
        if b"line 2" not in done.stderr:
            raise Failed(f"{text}: the error does not name line 2: {done.stderr.decode()}")
    ok(f"refused with its line: {len(REFUSED_BY_BOTH)} records that rfc8785 refuses too, "
       f"{len(REFUSED_BY_US)} that only makoto refuses")


CHECKS = [check_statements, check_tricky_records, check_random_numbers, check_random_objects,
          check_refusals]
