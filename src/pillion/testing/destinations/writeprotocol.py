"""Remote write's messages as protobuf classes, made from a table of their fields: nothing of the sender's is in them.

prompb/remote.proto, prompb/types.proto and prompb/io/prometheus/write/v2/types.proto; without histograms. Needs the
package protobuf.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_V1 = {
    "Label": "string name 1, string value 2",
    "Sample": "double value 1, int64 timestamp 2",
    "Exemplar": "Label* labels 1, double value 2, int64 timestamp 3",
    "TimeSeries": "Label* labels 1, Sample* samples 2, Exemplar* exemplars 3",
    "MetricMetadata": "int32 type 1, string metric_family_name 2, string help 4, string unit 5",
    "WriteRequest": "TimeSeries* timeseries 1, MetricMetadata* metadata 3",
}
_V2 = {
    "Sample": "double value 1, int64 timestamp 2, int64 start_timestamp 3",
    "Exemplar": "uint32* labels_refs 1, double value 2, int64 timestamp 3",
    "Metadata": "int32 type 1, uint32 help_ref 3, uint32 unit_ref 4",
    "TimeSeries": "uint32* labels_refs 1, Sample* samples 2, Exemplar* exemplars 4, Metadata metadata 5",
    "Request": "string* symbols 4, TimeSeries* timeseries 5",
}
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "double": _Field.TYPE_DOUBLE,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
}


def _classes(package: str, messages: dict[str, str]) -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for line in fields.split(", "):
            kind, field, number = line.split()
            many = kind.endswith("*")
            kind = kind.rstrip("*")
            added = described.field.add(
                name=field,
                number=int(number),
                label=_Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL,
                type=_SCALARS.get(kind, _Field.TYPE_MESSAGE),
            )
            if kind not in _SCALARS:
                added.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


WRITE_REQUEST: Any = _classes("prometheus", _V1)["WriteRequest"]
REQUEST: Any = _classes("io.prometheus.write.v2", _V2)["Request"]
