"""The rules of docs/rows.md: the text of values, rows and schemas, and the record tree.

Shares no code with makoto, so that the two can be held against each other.
"""

import base64
import datetime
import decimal
import hashlib
import json
import math

import pyarrow as pa

DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


# The text of values.


def string(text):
    escapes = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f",
               "\r": "\\r"}
    out = (escapes.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text)
    return '"' + "".join(out) + '"'


def double(value):
    """ECMAScript's Number::toString; Python's repr has the same digits."""
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    if value == 0:
        return "0"
    sign, digits, exponent = decimal.Decimal(repr(value)).as_tuple()
    point = len(digits) + exponent
    digits = "".join(map(str, digits)).rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        text = digits + "0" * (point - count)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        power = point - 1
        text = digits[0] + ("." + digits[1:] if count > 1 else "")
        text += "e" + ("+" if power > 0 else "-") + str(abs(power))
    return ("-" if sign else "") + text


def fixed_point(value, scale):
    sign, digits, exponent = value.as_tuple()
    unscaled = int("".join(map(str, digits))) * 10 ** (exponent + scale)
    text = str(unscaled)
    if scale > 0:
        text = text.rjust(scale + 1, "0")
        text = text[:-scale] + "." + text[-scale:]
    elif unscaled:
        text += "0" * -scale
    return f'"{"-" if sign and unscaled else ""}{text}"'


def days(number):
    """A day counted from 1970-01-01; Python's own dates have no year 0."""
    eras, rest = divmod(number + 719163 + 146097 - 1, 146097)
    date = datetime.date.fromordinal(rest + 1)
    return f"{date.year + 400 * (eras - 1):04}-{date.month:02}-{date.day:02}"


def clock(number, unit):
    seconds, fraction = divmod(number, 10 ** DIGITS[unit])
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{fraction:0{DIGITS[unit]}}" if DIGITS[unit] else "")


def moment(number, unit, utc):
    day, rest = divmod(number, 86400 * 10 ** DIGITS[unit])
    return f'"{days(day)}T{clock(rest, unit)}{"Z" if utc else ""}"'


def value(scalar):
    of = scalar.type
    if isinstance(of, pa.BaseExtensionType):
        return value(scalar.value) if scalar.is_valid else "null"
    if pa.types.is_dictionary(of):
        # A null may stand in the place of the key or in the dictionary.
        return value(scalar.value) if scalar.is_valid else "null"
    if not scalar.is_valid or pa.types.is_null(of):
        return "null"
    if pa.types.is_boolean(of):
        return "true" if scalar.as_py() else "false"
    if of in (pa.int64(), pa.uint64()):
        return f'"{scalar.as_py()}"'
    if pa.types.is_integer(of):
        return str(scalar.as_py())
    if pa.types.is_floating(of):
        return double(float(scalar.as_py()))
    if pa.types.is_decimal(of):
        return fixed_point(scalar.as_py(), of.scale)
    if pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return string(scalar.as_py())
    if is_binary(of):
        return f'"{base64.b64encode(scalar.as_py()).decode()}"'
    if pa.types.is_date32(of):
        return f'"{days(scalar.value)}"'
    if pa.types.is_date64(of):
        return f'"{days(scalar.value // 86400000)}"'
    if pa.types.is_time(of):
        return f'"{clock(scalar.value, of.unit)}"'
    if pa.types.is_timestamp(of):
        return moment(scalar.value, of.unit, of.tz is not None)
    if pa.types.is_duration(of):
        return f'"{scalar.value}"'
    if pa.types.is_map(of):
        entries = (f'[{value(e["key"])},{value(e["value"])}]' for e in scalar.values)
        return "[" + ",".join(entries) + "]"
    if is_list(of):
        return "[" + ",".join(value(item) for item in scalar.values) + "]"
    if pa.types.is_struct(of):
        return row((field.name, scalar[index]) for index, field in enumerate(of))
    raise TypeError(of)


def is_binary(of):
    return (pa.types.is_binary(of) or pa.types.is_large_binary(of) or pa.types.is_binary_view(of)
            or pa.types.is_fixed_size_binary(of))


def is_list(of):
    return (pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of)
            or pa.types.is_list_view(of) or pa.types.is_large_list_view(of))


def row(members):
    return "{" + ",".join(f"{string(name)}:{value(cell)}" for name, cell in members) + "}"


def rows(table):
    columns = [(name, table.column(index)) for index, name in enumerate(table.column_names)]
    return [row((name, column[n]) for name, column in columns) for n in range(table.num_rows)]


# The text of schemas.


def kind(of):
    if isinstance(of, pa.BaseExtensionType):
        return kind(of.storage_type)
    if pa.types.is_dictionary(of):
        return kind(of.value_type)
    names = [
        (pa.types.is_null, "null"), (pa.types.is_boolean, "boolean"),
        (pa.types.is_float16, "float16"), (pa.types.is_float32, "float32"),
        (pa.types.is_float64, "float64"), (pa.types.is_date, "date"),
        (pa.types.is_integer, str(of)), (pa.types.is_string, "string"),
        (pa.types.is_large_string, "string"), (pa.types.is_string_view, "string"),
        (pa.types.is_binary, "binary"), (pa.types.is_large_binary, "binary"),
        (pa.types.is_binary_view, "binary"),
    ]
    for test, name in names:
        if test(of):
            return name
    if pa.types.is_fixed_size_binary(of):
        return f"fixed({of.byte_width})"
    if pa.types.is_decimal(of):
        return f"decimal({of.precision},{of.scale})"
    if pa.types.is_time(of):
        return f"time({of.unit})"
    if pa.types.is_timestamp(of):
        return f"timestamp({of.unit}{',UTC' if of.tz is not None else ''})"
    if pa.types.is_duration(of):
        return f"duration({of.unit})"
    if pa.types.is_map(of):
        return {"map": [cell(of.key_field), cell(of.item_field)]}
    if is_list(of):
        return {"list": cell(of.value_field)}
    if pa.types.is_struct(of):
        return {"struct": [dict(cell(field), name=field.name) for field in of]}
    raise TypeError(of)


def cell(field):
    return {"nullable": field.nullable, "type": kind(field.type)}


def schema_digest(schema):
    # Keys are ASCII and there are no numbers: sorted and without spaces is RFC 8785.
    columns = [dict(cell(field), name=field.name) for field in schema]
    text = json.dumps(columns, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text, hashlib.sha256(text.encode()).hexdigest()


# The record tree.


def leaf(record):
    return hashlib.sha256(b"\0" + record).digest()


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()
