"""A small ONNX model with external data, written without the onnx package."""


def field(number, payload):
    """A protobuf field: bytes and text with their length, integers as varints."""
    def varint(value):
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def shifted_model(data_file, opset=17, operator="Add"):
    """ONNX: y[4] = x[4] + c, with c in a data file of its own."""
    dim = field(1, 4)
    kind = field(1, field(1, 1) + field(2, field(1, dim)))
    entry = lambda key, value: field(13, field(1, key) + field(2, value))
    constant = field(1, 4) + field(2, 1) + field(8, "c") + entry("location", data_file) + field(14, 1)
    node = field(1, "x") + field(1, "c") + field(2, "y") + field(4, operator)
    graph = (field(1, node) + field(2, "shifted") + field(5, constant) + field(11, field(1, "x") + field(2, kind)) +
             field(12, field(1, "y") + field(2, kind)))
    return field(1, 8) + field(7, graph) + field(8, field(2, opset))
