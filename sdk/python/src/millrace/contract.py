"""The types of the contract: in a component those of its bindings, elsewhere the same as plain data."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millrace.plain import *  # noqa: F403
else:
    try:
        from componentize_py_types import Err, Ok  # noqa: F401
        from wit_world.imports.types import *  # noqa: F403
    except ModuleNotFoundError:
        from millrace.plain import *  # noqa: F403
