# What lightkube-models takes from lightkube, typed as pillion.objects.models provides it at run time. Without it the
# models would inherit from Any, and mypy would let a misspelt field pass.
from dataclasses import dataclass as dataclass
from dataclasses import field as field

import msgspec

class DictMixin(msgspec.Struct): ...
