"""Write every version of every ONNX operator schema as one JSON object a line.

    python3 tools/peers/opschema.py > frontend/onnx/gen_schema.jsonl

Import and export look there what a schema version can say: attribute names and
defaults, how many inputs and outputs there are, and which element types each
takes. Needs `pip install onnx==1.23.0`.
"""

import json
import re

import onnx
from onnx import defs

NAMES = {
    "float": "f32", "double": "f64", "float16": "f16", "bfloat16": "bf16",
    "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
    "bool": "bool", "string": "str", "complex64": "c64", "complex128": "c128",
    "float8e4m3fn": "f8e4m3fn", "float8e4m3fnuz": "f8e4m3fnuz",
    "float8e5m2": "f8e5m2", "float8e5m2fnuz": "f8e5m2fnuz",
    "uint4": "u4", "int4": "i4", "float4e2m1": "f4e2m1", "float8e8m0": "f8e8m0",
    "uint2": "u2", "int2": "i2", "float6e2m3": "f6e2m3", "float6e3m2": "f6e3m2",
}


def short(types):
    """Element types of a port in our names; what is no plain tensor becomes its outer word."""
    out = set()
    for t in types:
        m = re.fullmatch(r"tensor\((\w+)\)", t)
        out.add(NAMES[m.group(1)] if m else t.split("(")[0])
    return sorted(out)


def port(schema, p):
    types = short(p.types)
    kinds = {"name": p.name, "types": types}
    if p.option == defs.OpSchema.FormalParameterOption.Variadic:
        kinds["variadic"] = True
    return kinds


def attribute(a):
    out = {"kind": a.type.name}
    if a.required:
        out["required"] = True
    d = a.default_value
    if d is not None and d.name:
        v = onnx.helper.get_attribute_value(d)
        if isinstance(v, bytes):
            v = v.decode()
        elif isinstance(v, (list, tuple)):
            v = [x.decode() if isinstance(x, bytes) else x for x in v]
        out["default"] = v
    return out


def main():
    rows = []
    for s in defs.get_all_schemas_with_history():
        if s.domain not in ("", "ai.onnx.ml"):
            continue
        rows.append((s.domain, s.name, s.since_version, {
            "op": f"{s.domain}.{s.name}" if s.domain else s.name,
            "v": s.since_version,
            **({"gone": True} if s.deprecated else {}),
            "min_in": s.min_input,
            "min_out": s.min_output,
            "in": [port(s, p) for p in s.inputs],
            "out": [port(s, p) for p in s.outputs],
            "attrs": {k: attribute(a) for k, a in sorted(s.attributes.items())},
        }))
    for _, _, _, r in sorted(rows, key=lambda r: r[:3]):
        print(json.dumps(r, separators=(",", ":")))


main()
