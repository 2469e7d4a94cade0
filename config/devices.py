"""Device URIs as values of the provisioning file."""

import re
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from config.values import fault, shorten
from drivers.uri import DriverUri
from tickets.errors import GateError


def parse_device(value: object, kinds: tuple[str, ...]) -> DriverUri:
    """Read `value` as the URI of a device of one of `kinds`.

    Raises:
        PydanticCustomError: not text, not a device URI, or a device of another kind.
    """
    if isinstance(value, DriverUri):
        uri = value
    elif isinstance(value, str):
        try:
            uri = DriverUri.parse(value)
        except GateError as error:
            raise fault(error.cause, error.remedy) from None
    else:
        raise fault(f"{shorten(value)} is not a device", f'Write text, as "{kinds[0]}:..."')
    if uri.kind not in kinds:
        raise fault(
            f"{shorten(str(uri))} is not a device for this place",
            f"Name a device that starts with {' or '.join(f'{kind}:' for kind in kinds)}",
        )
    return uri


def pins(uri: DriverUri) -> list[int]:
    """The GPIO lines that `uri` takes; none for devices that are not on GPIO."""
    if uri.driver != "gpio":
        return []
    return [int(number) for number in re.findall(r"\d{1,4}", uri.address)]


def _of(*kinds: str) -> tuple[PlainValidator, PlainSerializer, WithJsonSchema]:
    return (
        PlainValidator(lambda value: parse_device(value, kinds)),
        PlainSerializer(str, return_type=str),
        WithJsonSchema({"type": "string", "pattern": f"^(?:{'|'.join(kinds)}):"}),
    )


ReaderUri = Annotated[DriverUri, *_of("camera", "nfc", "wedge")]
TurnstileUri = Annotated[DriverUri, *_of("turnstile")]
LightsUri = Annotated[DriverUri, *_of("lights")]
InputUri = Annotated[DriverUri, *_of("input")]
