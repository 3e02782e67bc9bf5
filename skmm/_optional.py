"""Import of the packages that skmm needs for some features only."""

import importlib
from types import ModuleType


def import_optional(name: str, *, extra: str, who: str | None = None) -> ModuleType:
    """Import an optional dependency, or say how to install it.

    Parameters
    ----------
    name : str
        Module to import, for example ``"torch"`` or ``"matplotlib.pyplot"``.
    extra : str
        The extra of skmm that installs it, for example ``"deep"``.
    who : str, optional
        What needs the package; it opens the error message. Default: "This feature".

    Returns
    -------
    module : module
        The imported (sub)module.

    Raises
    ------
    ImportError
        If the package is not installed. A package that is installed but fails to import one of ITS
        dependencies raises its own error unchanged, so that the true cause is not hidden.

    Examples
    --------
    >>> from skmm._optional import import_optional
    >>> import_optional("json", extra="deep").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise ImportError(
            f'{who or "This feature"} needs the package "{name}". '
            f'Install it with: pip install "skmm[{extra}]"',
            name=name,
        ) from error
