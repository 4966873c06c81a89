"""One operation on a data folder: asked of the owner that serves it, or done by becoming the owner.

To ask takes little, so little is loaded: who stops a service in an emergency does not wait for libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.service.datafolder import FolderError
from kokuin.service.long_operations import LONG, LONG_SECONDS
from kokuin.service.owner import OwnerLostError, OwnerUnavailableError, ask_owner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.datafolder import DataFolder

OPERATE_SECONDS = 120.0
"""How long an operation may take: keys are made and every worker loads them."""


def operate(folder: DataFolder, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do one thing; the answer has `ok` and, when False, `code`.

    Raises:
        FolderError: no data folder, or its owner does not answer.
        ConfigError, UnitError, ProfileError, OpenRefusedError, ActivationError: nobody serves the folder, and
            it cannot be opened.
    """
    folder.check_format()
    try:
        seconds = LONG_SECONDS if operation in LONG else OPERATE_SECONDS
        return ask_owner(folder.owner_socket, operation, arguments, seconds)
    except OwnerLostError:
        # To become the owner now would do twice what may have been done.
        raise FolderError(f"the service of {folder.root} did not answer; look what came of it") from None
    except OwnerUnavailableError:
        from kokuin.service.owning import operate_alone  # noqa: PLC0415  # all of the service; see above

        return operate_alone(folder, operation, arguments)
