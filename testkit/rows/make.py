"""Makes the cases of this folder: tables written by pyarrow and DuckDB, and what their rows are.

What is expected is worked out by rules.py, from docs/rows.md, from what pyarrow reads. It must
never come from makoto itself.

usage: python testkit/rows/make.py
"""

import base64
import decimal
import hashlib
import io
import json
import math
import os
import tempfile

import duckdb
import numpy
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from rules import DIGITS, leaf, moment, root, rows, schema_digest

HERE = os.path.dirname(os.path.abspath(__file__))
NO_ROWS = hashlib.sha256(b"").hexdigest()


# Files.


def parquet(table, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def arrow(table, max_chunksize=None, **options):
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_file(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=max_chunksize)
    return out.getvalue()


def as_parquet_says(data):
    """The table of a Parquet file without the Arrow schema that pyarrow embeds in it."""
    table = pq.read_table(io.BytesIO(data))
    plain = parquet(table, store_schema=False, use_deprecated_int96_timestamps=False)
    return pq.read_table(io.BytesIO(plain))


written = set()


def write(name, case):
    assert name not in written, name
    written.add(name)
    with open(os.path.join(HERE, name + ".json"), "w", encoding="utf-8") as out:
        json.dump({"id": name, **case}, out, ensure_ascii=False, indent=1)
        out.write("\n")


def good(name, about, form, data, table):
    """A case that is counted; `table` has what is expected."""
    lines = rows(table)
    text, digest = schema_digest(table.schema)
    write(name, {
        "about": about,
        "format": form,
        "data_base64": base64.b64encode(data).decode(),
        "rows": lines,
        "recordCount": str(len(lines)),
        "merkleRoot": root([leaf(line.encode()) for line in lines]).hex(),
        "schema": text,
        "schemaDigest": digest,
    })


def bad(name, about, form, data, contains):
    write(name, {
        "about": about,
        "format": form,
        "data_base64": base64.b64encode(data).decode(),
        "error": True,
        "error_contains": contains,
    })


def both(name, about, columns, **options):
    """The same table as Parquet and as Arrow."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    data = parquet(table, **options)
    good(name + "-parquet", about, "parquet", data, as_parquet_says(data))
    good(name + "-arrow", about, "arrow", arrow(table), table)


def types():
    both("int-small", "integers of at most 32 bits are numbers", {
        "i8": pa.array([-128, 127, None], pa.int8()),
        "i16": pa.array([-32768, 32767, None], pa.int16()),
        "i32": pa.array([-2**31, 2**31 - 1, None], pa.int32()),
        "u8": pa.array([0, 255, None], pa.uint8()),
        "u16": pa.array([0, 65535, None], pa.uint16()),
        "u32": pa.array([0, 2**32 - 1, None], pa.uint32()),
    })
    both("int64-extremes", "64-bit integers are strings", {
        "i64": pa.array([-2**63, 2**63 - 1, 2**53 + 1, 0, None], pa.int64()),
        "u64": pa.array([0, 2**64 - 1, 2**53 + 1, 2**63, None], pa.uint64()),
    })
    both("boolean", "booleans", {"b": pa.array([True, False, None])})
    both("float64", "doubles as ECMAScript writes them; what is no number is a word", {
        "f": pa.array([0.0, -0.0, 1.0, -1.5, 1e21, 1e20, 123456789012345680000.0, 1e-6, 1e-7,
                       5e-324, 1.7976931348623157e308, 0.1, 1 / 3, math.nan, math.inf, -math.inf,
                       9007199254740993.0, None]),
    })
    both("float32", "single precision is widened to a double", {
        "f": pa.array([0.1, 16777217.0, 3.4028235e38, 1e-45, -0.0, math.nan, math.inf, -math.inf,
                       None], pa.float32()),
    })
    both("float16", "half precision is widened to a double", {
        "f": pa.array(numpy.array([0.1, 65504, -0.0, 6e-8, math.nan, math.inf, -math.inf],
                                  dtype=numpy.float16)),
    })
    number = decimal.Decimal
    decimal.getcontext().prec = 80
    both("decimal128", "decimals are strings with the digits of their scale", {
        "d9": pa.array([number("0.05"), number("-1234567.89"), number("0"), None],
                       pa.decimal128(9, 2)),
        "d18": pa.array([number("1"), number("-999999999999.999999"), number("0.000001"), None],
                        pa.decimal128(18, 6)),
        "d38": pa.array([number(10**38 - 1), number(-(10**38 - 1)), number("0"), None],
                        pa.decimal128(38, 0)),
    })
    both("decimal256", "decimals of up to 76 digits", {
        "d": pa.array([number(10**76 - 1), number(-(10**76 - 1)), number("0"), None],
                      pa.decimal256(76, 0)),
        "s": pa.array([number(10**40 + 1).scaleb(-38), number("-0.5"), None, None],
                      pa.decimal256(50, 38)),
    })
    table = pa.table({
        "hundreds": pa.array([number("12300"), number("-100"), number("0"), None],
                             pa.decimal128(5, -2)),
    })
    good("decimal-negative-scale-arrow", "a negative scale adds zeros, but not to zero", "arrow",
         arrow(table), table)
    table = pa.table({
        "d32": pa.array([number("1.23"), number("-0.01"), None], pa.decimal32(9, 2)),
        "d64": pa.array([number("1.23"), number("-0.01"), None], pa.decimal64(18, 2)),
    })
    good("decimal-narrow-arrow", "decimals of 32 and 64 bits", "arrow", arrow(table), table)
    both("string-escapes", "strings are escaped as RFC 8785 says, and nothing else is", {
        "s": pa.array(["", "a\"b\\c/d", "\b\t\n\f\r", "\0\x01\x1f\x7f", "é€😀\u2028\ufeff",
                       "e\u0301", "</script>", None]),
        "name with \"quotes\" and\nlines": pa.array(["x"] * 8),
    })
    both("binary", "bytes are base64 with padding", {
        "b": pa.array([b"", b"\0", b"\xff\xfe", b"abc", b"\xfb\xff\xbf", None], pa.binary()),
        "f": pa.array([b"\0" * 4, b"\xff" * 4, b"abcd", b"\xfb\xef\xbe\0", b"1234", None],
                      pa.binary(4)),
    })
    both("large-types", "long offsets are told nowhere", {
        "s": pa.array(["a", None, "longer than a view holds in itself"], pa.large_string()),
        "b": pa.array([b"a", None, b"longer than a view holds in itself"], pa.large_binary()),
        "l": pa.array([[1], None, []], pa.large_list(pa.int8())),
    })
    table = pa.table({
        "s": pa.array(["a", None, "longer than a view holds in itself"], pa.string_view()),
        "b": pa.array([b"a", None, b"longer than a view holds in itself"], pa.binary_view()),
        "l": pa.array([[1, 2], None, []], pa.list_view(pa.int8())),
        "ll": pa.array([["x"], None, [None]], pa.large_list_view(pa.string())),
    })
    good("views-arrow", "views are told nowhere", "arrow", arrow(table), table)
    both("null", "a column of nulls", {"n": pa.nulls(3), "x": pa.array([1, 2, 3], pa.int8())})
    both("empty", "a table without rows has the root of the empty tree", {
        "id": pa.array([], pa.int64()),
        "list": pa.array([], pa.list_(pa.string())),
    })
    assert rows(pa.table({"id": pa.array([], pa.int64())})) == []
    both("not-null", "columns that have no nulls", pa.table(
        {"a": pa.array([1, 2], pa.int32()), "b": pa.array(["x", "y"])},
        schema=pa.schema([pa.field("a", pa.int32(), nullable=False),
                          pa.field("b", pa.string(), nullable=False)])))
    both("column-order", "members stand in the order of the columns, not of their names", {
        "z": pa.array([1], pa.int8()), "a": pa.array([2], pa.int8()),
        "é": pa.array([3], pa.int8()), "": pa.array([4], pa.int8()),
    })


def times():
    both("date32", "dates", {
        "d": pa.array([0, -1, 11016, -25508, 19358, -719528, 2932896, None], pa.int32()).cast(
            pa.date32()),
    })
    both("date64", "dates that are counted in milliseconds", {
        "d": pa.array([0, -86400000, 951782400000, 253402214400000, None], pa.int64()).cast(
            pa.date64()),
    })
    both("time", "times of day have the fraction of their unit", {
        "s": pa.array([0, 86399, 3661, None], pa.int32()).cast(pa.time32("s")),
        "ms": pa.array([0, 86399999, 3661001, None], pa.int32()).cast(pa.time32("ms")),
        "us": pa.array([0, 86399999999, 3661000001, None], pa.int64()).cast(pa.time64("us")),
        "ns": pa.array([0, 86399999999999, 3661000000001, None], pa.int64()).cast(
            pa.time64("ns")),
    })
    both("timestamp", "moments without a zone have no suffix, those with one end in Z", {
        f"{unit} {zone}": pa.array(
            [0, -1, 1, 951782399 * 10**DIGITS[unit], -2208988801 * 10**DIGITS[unit],
             -62167219200 * 10**DIGITS[unit] if unit != "ns" else -2**63,
             253402300800 * 10**DIGITS[unit] - 1 if unit != "ns" else 2**63 - 1, None],
            pa.timestamp(unit, tz=zone))
        for unit in DIGITS for zone in (None, "UTC", "Europe/Berlin", "+05:30")
    })
    both("duration", "durations are counts of their unit, as strings", {
        unit: pa.array([0, -1, 2**63 - 1, None], pa.duration(unit)) for unit in DIGITS
    })
    stamps = pa.table({"t": pa.array(
        [0, -1, -11644473600000000, 253402300799999999, -62167219200000000, None],
        pa.timestamp("us"))})
    data = parquet(stamps, use_deprecated_int96_timestamps=True, use_dictionary=False)
    nano = [moment(v.value * 1000, "ns", False) if v.is_valid else "null"
            for v in stamps.column("t")]
    lines = [f'{{"t":{text}}}' for text in nano]
    text, digest = schema_digest(pa.schema([pa.field("t", pa.timestamp("ns"))]))
    for name, more in [("int96", {}), ("int96-dictionary", {"use_dictionary": True})]:
        data = parquet(stamps, **{"use_deprecated_int96_timestamps": True,
                                  "use_dictionary": False, **more})
        write(name, {
            "about": "INT96 has nanoseconds in every year, which 64 bits do not",
            "format": "parquet",
            "data_base64": base64.b64encode(data).decode(),
            "rows": lines,
            "recordCount": str(len(lines)),
            "merkleRoot": root([leaf(line.encode()) for line in lines]).hex(),
            "schema": text,
            "schemaDigest": digest,
        })
    too_late = [("year-10000", [0, 253402300800]), ("year-before-0", [0, -62167219201])]
    for name, values in too_late:
        table = pa.table({"id": pa.array([1, 2], pa.int8()),
                          "when": pa.array(values, pa.timestamp("s"))})
        for form, data in (("parquet", parquet(table)), ("arrow", arrow(table))):
            bad(f"{name}-{form}", "RFC 3339 has the years 0000 to 9999", form, data,
                'row 2, column "when"')
    table = pa.table({"d": pa.array([2932897], pa.int32()).cast(pa.date32())})
    bad("date-year-10000", "RFC 3339 has the years 0000 to 9999", "parquet", parquet(table),
        'row 1, column "d"')
    table = pa.table({"d": pa.Array.from_buffers(
        pa.date64(), 2, [None, pa.py_buffer(numpy.array([0, 1], dtype=numpy.int64))])})
    bad("date64-with-time", "a date with a time of day is none", "arrow", arrow(table),
        'row 2, column "d"')
    table = pa.table({"t": pa.Array.from_buffers(
        pa.time32("s"), 2, [None, pa.py_buffer(numpy.array([86399, 86400], dtype=numpy.int32))])})
    bad("time-24", "a day has no 24th hour", "arrow", arrow(table), 'row 2, column "t"')
    table = pa.table({"t": pa.Array.from_buffers(
        pa.time32("s"), 1, [None, pa.py_buffer(numpy.array([-1], dtype=numpy.int32))])})
    bad("time-negative", "a time is within its day", "arrow", arrow(table), 'row 1, column "t"')


def nested():
    both("list", "lists, with nulls at every level", {
        "l": pa.array([[1, None, 3], [], None, [2**31 - 1]], pa.list_(pa.int32())),
        "ll": pa.array([[[1], [], None], None, [], [[None]]], pa.list_(pa.list_(pa.int64()))),
        "strings": pa.array([["a", None, ""], None, [], ["\""]], pa.list_(pa.string())),
    })
    both("list-fixed", "a list of fixed length is a list", {
        "p": pa.array([[1.5, 2.0], None, [None, -1.0]], pa.list_(pa.float64(), 2)),
    })
    both("struct", "structs have their members in the order of their fields", {
        "s": pa.array([{"z": 1, "a": {"x": "deep", "b": None}}, None, {"z": None, "a": None}],
                      pa.struct([("z", pa.int16()),
                                 ("a", pa.struct([("x", pa.string()), ("b", pa.bool_())]))])),
    })
    both("map", "maps are arrays of pairs, in the order in which they stand", {
        "m": pa.array([[("b", 1), ("a", None)], [], None, [("b", 2), ("b", 3)]],
                      pa.map_(pa.string(), pa.int64())),
        "by number": pa.array([[(2, [1]), (1, [])], None, [], [(3, None)]],
                              pa.map_(pa.int32(), pa.list_(pa.int8()))),
    })
    both("list-of-struct", "lists of structs of lists", {
        "l": pa.array([[{"t": ["x", "y"], "n": 1}, None, {"t": None, "n": 2}], None, [],
                       [{"t": [], "n": None}]],
                      pa.list_(pa.struct([("t", pa.list_(pa.string())), ("n", pa.int64())]))),
    })
    words = pa.array(["red", None, "green", "red", "a longer word than a view holds"])
    both("dictionary", "a dictionary is its values", {"d": words.dictionary_encode()})
    table = pa.table({
        "null in the dictionary": pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None], pa.int8()), pa.array(["x", None])),
        "unsigned": pa.DictionaryArray.from_arrays(
            pa.array([1, 0, 1], pa.uint16()), pa.array([2**40, -1], pa.int64())),
        "in a list": pa.array([["x"], None, ["y", "x"]],
                              pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        "all null": pa.array([None, None, None], pa.dictionary(pa.int32(), pa.string())),
    })
    good("dictionary-arrow-kinds", "keys of any width, nulls in either place", "arrow",
         arrow(table), table)
    two = pa.table([pa.array([1], pa.int8()), pa.array([2], pa.int8())], names=["a", "a"])
    deep = pa.table({"s": pa.StructArray.from_arrays(
        [pa.array([1], pa.int8()), pa.array([2], pa.int8())], names=["a", "a"])})
    for form, make in (("parquet", parquet), ("arrow", arrow)):
        bad(f"duplicate-columns-{form}", "a row cannot tell two columns of one name", form,
            make(two), 'column "a": there are two columns of this name')
        bad(f"duplicate-in-struct-{form}", "nor two members of one name", form, make(deep),
            'column "s.a": there are two columns of this name')
    near = pa.table([pa.array([1], pa.int8()), pa.array([2], pa.int8())], names=["a", "A"])
    both("nearly-duplicate-columns", "names are compared by their bytes", near)
    for name, array, why in [
        ("interval", pa.array([pa.MonthDayNano([1, 2, 3])]), "is an interval"),
        ("union", pa.UnionArray.from_sparse(
            pa.array([0], pa.int8()), [pa.array([1], pa.int8())]), "is a union"),
        ("run-end", pa.RunEndEncodedArray.from_arrays(
            pa.array([1], pa.int32()), pa.array(["x"])), "is run-end encoded"),
    ]:
        table = pa.table({"fine": pa.array([1], pa.int8()), "odd": array})
        bad(f"{name}-arrow", "types that have no one form as JSON", "arrow", arrow(table),
            f'column "odd": {why}')
    empty = pa.table({"s": pa.array([{}, None], pa.struct([]))})
    good("struct-empty-arrow", "a struct without members", "arrow", arrow(empty), empty)


def storage():
    """One table, stored in many ways: always the same rows."""
    n = 300
    table = pa.table({
        "id": pa.array(range(n), pa.int64()),
        "word": pa.array([None if i % 7 == 0 else f"word {i % 11}" for i in range(n)]),
        "list": pa.array([None if i % 5 == 0 else list(range(i % 4)) for i in range(n)],
                         pa.list_(pa.int32())),
        "price": pa.array([i / 8 for i in range(n)], pa.float64()),
        "sure": pa.array([None if i % 9 == 0 else i % 2 == 0 for i in range(n)]),
        "fixed": pa.array([bytes([i % 3]) * 3 for i in range(n)], pa.binary(3)),
        "amount": pa.array([decimal.Decimal(i) / 100 for i in range(n)], pa.decimal128(12, 2)),
    })
    ways = {
        "plain": {"use_dictionary": False, "compression": "none"},
        "dictionary": {"use_dictionary": True, "compression": "none"},
        "snappy": {"compression": "snappy"},
        "gzip": {"compression": "gzip"},
        "brotli": {"compression": "brotli"},
        "zstd": {"compression": "zstd"},
        "lz4": {"compression": "lz4"},
        "page-v2": {"data_page_version": "2.0", "compression": "zstd"},
        "page-v2-plain": {"data_page_version": "2.0", "compression": "none",
                          "use_dictionary": False},
        "row-groups": {"row_group_size": 37},
        "small-pages": {"data_page_size": 64, "write_batch_size": 10},
        "small-dictionary": {"dictionary_pagesize_limit": 20, "data_page_size": 128,
                             "write_batch_size": 8},
        "delta": {"use_dictionary": False, "column_encoding": {
            "id": "DELTA_BINARY_PACKED", "word": "DELTA_BYTE_ARRAY",
            "list.list.element": "DELTA_BINARY_PACKED", "price": "BYTE_STREAM_SPLIT",
            "fixed": "DELTA_BYTE_ARRAY"}},
        "delta-length": {"use_dictionary": False, "column_encoding": {
            "word": "DELTA_LENGTH_BYTE_ARRAY"}},
        "no-arrow-schema": {"store_schema": False},
        "version-1": {"version": "1.0"},
        "decimal-as-integer": {"store_decimal_as_integer": True},
        "checksums": {"write_page_checksum": True},
        "page-index": {"write_page_index": True},
    }
    for name, options in ways.items():
        data = parquet(table, **options)
        good(f"stored-{name}-parquet", "however a table is stored, its rows are the same",
             "parquet", data, as_parquet_says(data))
    ways = {
        "plain": {}, "lz4": {"compression": "lz4"}, "zstd": {"compression": "zstd"},
        "batches": {"max_chunksize": 41},
        "old": {"metadata_version": pa.ipc.MetadataVersion.V4},
    }
    for name, options in ways.items():
        good(f"stored-{name}-arrow", "however a table is stored, its rows are the same", "arrow",
             arrow(table, **options), table)
    words = pa.chunked_array([pa.array(["a", "b"]).dictionary_encode(),
                              pa.array(["a", "b", "c", None]).dictionary_encode()])
    table = pa.table({"d": words})
    good("dictionary-grows-arrow", "a dictionary that grows between batches", "arrow",
         arrow(table, emit_dictionary_deltas=True), table)


def programs():
    """Files of another program than pyarrow."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "t.parquet")
        duckdb.sql(f"""
            COPY (SELECT i::BIGINT AS id, i::HUGEINT AS huge, (i / 3.0)::FLOAT AS f,
                (i / 7.0)::DECIMAL(20, 4) AS amount, 'x' || i AS name,
                CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END::ENUM('even', 'odd') AS parity,
                [i, NULL, i + 1]::INTEGER[] AS list, {{'a': i, 'b': [i::VARCHAR]}} AS s,
                MAP {{'k': i, 'l': NULL}} AS m, DATE '2024-02-29' + i::INTEGER AS d,
                TIMESTAMP '1969-12-31 23:59:59.999999' + to_days(i::INTEGER) AS t,
                TIMESTAMPTZ '2026-01-01 00:00:00+02' AS tz, TIME '12:34:56.789' AS c,
                ('\\x00\\xFF'::BLOB) AS b, i % 2 = 0 AS even,
                '{{"a": 1}}'::JSON AS j
            FROM range(20) r(i)) TO '{path}' (FORMAT parquet)""")
        with open(path, "rb") as file:
            data = file.read()
        table = pq.read_table(io.BytesIO(data))
        good("duckdb-parquet", "a file of DuckDB", "parquet", data, table)


def spoilt():
    table = pa.table({"id": pa.array(range(100), pa.int64()), "s": pa.array(["text"] * 100)})
    whole = parquet(table)
    bad("magic-only-parquet", "a file of magic numbers", "parquet", b"PAR1PAR1", "too short")
    bad("no-bytes-parquet", "a file without bytes", "parquet", b"", "too short")
    bad("not-parquet", "a file of text", "parquet", b"id,s\n1,text\n" * 10,
        "does not begin and end with PAR1")
    bad("truncated-parquet", "a file that was cut off", "parquet", whole[:len(whole) // 2],
        "does not begin and end with PAR1")
    bad("footer-too-long-parquet", "a footer longer than its file", "parquet",
        whole[:-8] + (len(whole) + 1).to_bytes(4, "little") + b"PAR1", "longer than the file")
    bad("encrypted-parquet", "an encrypted footer", "parquet", whole[:-4] + b"PARE", "encrypted")
    data = bytearray(whole)
    data[4:200] = bytes(196)
    bad("pages-gone-parquet", "pages of zeros", "parquet", bytes(data), "cannot be read as Parquet")
    whole = arrow(table)
    bad("magic-only-arrow", "a file of magic numbers", "arrow", b"ARROW1ARROW1", "cannot be read")
    bad("truncated-arrow", "a file that was cut off", "arrow", whole[:len(whole) // 2],
        "does not begin and end with ARROW1")
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    bad("stream-arrow", "the format for streams", "arrow", out.getvalue(), "Arrow stream")
    bad("feather-1", "the first version of Feather", "arrow", b"FEA1" + bytes(64) + b"FEA1",
        "Feather version 1")
    bad("parquet-as-arrow", "a file of the other format", "arrow", parquet(table),
        "does not begin and end with ARROW1")
    bad("arrow-as-parquet", "a file of the other format", "parquet", arrow(table),
        "does not begin and end with PAR1")


for name in os.listdir(HERE):
    if name.endswith(".json"):
        os.remove(os.path.join(HERE, name))
types()
times()
nested()
storage()
programs()
spoilt()
print(len(written), "cases")
