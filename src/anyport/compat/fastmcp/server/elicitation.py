"""What ``ctx.elicit`` answered, by its class: ``case AcceptedElicitation(data=name)``.

The answers themselves are anyport's `Elicited`; these classes only tell them apart.
"""

from __future__ import annotations

from typing import ClassVar

from anyport.server.inputs import Elicited


class _Told(type):
    """A class whose instances are the answers with one action."""

    action: str

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Elicited) and instance.action == cls.action

    def __getitem__(cls, item: object) -> _Told:
        return cls


class AcceptedElicitation(metaclass=_Told):
    """The user answered; ``data`` is what."""

    __match_args__ = ("data",)
    action: ClassVar[str] = "accept"


class DeclinedElicitation(metaclass=_Told):
    """The user declined."""

    action: ClassVar[str] = "decline"


class CancelledElicitation(metaclass=_Told):
    """The user left without an answer."""

    action: ClassVar[str] = "cancel"
