"""The base of all models: camelCase outside, snake_case inside, unknown fields rejected."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

#: Kubernetes' own bound for an int32 field keeps CEL's cost estimates finite.
MAX_INT = 2**31 - 1


class Model(BaseModel):
    """A section of the API. Frozen, so that a snapshot of it can be shared."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
    )
