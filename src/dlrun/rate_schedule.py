"""The type of `dropout_schedule` and `weight_decay_schedule`: a schedule for a rate other than the learning rate.

Such a rate is computed from the number of steps that the optimizer has taken, as the learning rate is. That number is
in every checkpoint, so a resumed run continues with exactly the same rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from dlrun.names import nearest
from dlrun.schedules import Schedule, schedules


def rate_schedule_names() -> tuple[str, ...]:
    """Return the names of the schedules that suit a rate of any meaning, sorted."""
    return tuple(
        sorted(each.type_name for each in Schedule.__subclasses__() if each.scales_any_rate and each.type_name)
    )


def _parse(value: Any) -> Schedule:
    """Parse a name, or a group of keys with a `type`.

    Raises:
        ValidationError: The name or a key is wrong. Locations start at `value`.
    """
    if isinstance(value, Schedule):
        return value
    group = {"type": value} if isinstance(value, str) else value
    name = group.get("type") if isinstance(group, Mapping) else None
    found = schedules.find(name) if isinstance(name, str) else None
    if found is None or not found.scales_any_rate:
        raise ValidationError.from_exception_data("schedule", [_wrong_name(name, value)])
    try:
        return found.model_validate({key: each for key, each in group.items() if key != "type"})
    except ValidationError as error:
        rows = error.errors(include_url=False)
        raise ValidationError.from_exception_data(found.type_name, [_wrong_key(row, found) for row in rows]) from None


def _plain(schedule: Schedule) -> Any:
    """Return a schedule as a spec contains it: a name, or a group of all its keys."""
    plain = schedule.plain()
    return plain if len(plain) > 1 else schedule.type_name


def _wrong_name(name: Any, value: Any) -> InitErrorDetails:
    names = rate_schedule_names()
    if isinstance(name, str) and name in schedules.names():
        what = f"the schedule {name!r} is for the learning rate only"
    else:
        what = f"there is no schedule {name!r}" if isinstance(name, str) else "a schedule needs a type"
    place = ("type",) if isinstance(value, Mapping) and "type" in value else ()
    return _problem("argument", f"{what}; choose one of {', '.join(names)}", (name, names), place)


def _wrong_key(row: Mapping[str, Any], schedule: type[Schedule]) -> InitErrorDetails:
    key = str(row["loc"][0])
    if row["type"] != "extra_forbidden":
        return _problem("argument", f"{key}: {row['msg']}", (None, ()), (key,))
    keys = tuple(schedule.model_fields)
    listed = f"its keys are {', '.join(keys)}" if keys else "it has no keys"
    return _problem("unknown_argument", f"{schedule.type_name} has no key {key!r}: {listed}", (key, keys), (key,))


def _problem(kind: Any, what: str, meant: tuple[Any, tuple[str, ...]], place: tuple[str, ...]) -> InitErrorDetails:
    """Return an error in the form in which the parts of Keras report theirs.

    Args:
        kind: Kind of the error: `argument`, or `unknown_argument` to report it at the key.
        what: What is wrong.
        meant: The name that was given, and the names that there are.
        place: Location of the mistake below that of the schedule.
    """
    given, names = meant
    found = nearest(given, names) if isinstance(given, str) else None
    hint = f"; did you mean {found!r}?" if found else ""
    error = PydanticCustomError(kind, "{what}{hint}", {"what": what, "hint": hint, "nearest": found or ""})
    return InitErrorDetails(type=error, loc=place, input=given)


if TYPE_CHECKING:
    RateSchedule = Schedule
else:
    RateSchedule = Annotated[
        Any,
        BeforeValidator(_parse),
        PlainSerializer(_plain),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": list(rate_schedule_names())},
                    {
                        "type": "object",
                        "properties": {"type": {"enum": list(rate_schedule_names())}},
                        "required": ["type"],
                    },
                ]
            }
        ),
    ]


def schedule_field(default: str, description: str) -> Any:
    """Return the field of a key with a schedule.

    Args:
        default: Name of a schedule.
        description: Meaning of the key.
    """
    # Only validation turns the name into a schedule.
    return Field(default=default, validate_default=True, examples=list(rate_schedule_names()), description=description)
