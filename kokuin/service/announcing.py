"""What the keeper tells every worker: the present state, whole, whenever any of it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.ports import Push


class Announcer:
    """On the keeper's loop."""

    def __init__(self, state: Callable[[], Push]) -> None:
        """Args: `state` returns what is told."""
        self._state = state
        self._subscribers: dict[int, Callable[[Push], None]] = {}
        self._next = 0
        self._last: Push | None = None

    def subscribe(self, on_push: Callable[[Push], None]) -> Callable[[], None]:
        """Tell `on_push` the present state now and every change later; the result ends that."""
        number = self._next = self._next + 1
        self._subscribers[number] = on_push
        self._last = None  # the newcomer must hear the present state, whatever the others heard last
        self.publish()

        def unsubscribe() -> None:
            self._subscribers.pop(number, None)

        return unsubscribe

    def publish(self) -> None:
        """Tell everybody, if anything has changed since they heard it last."""
        push = self._state()
        if push != self._last:
            self._last = push
            for on_push in tuple(self._subscribers.values()):
                on_push(push)
