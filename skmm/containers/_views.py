"""What makes ModalityDict a mapping of names, although its length counts samples."""

from collections.abc import Mapping


class NamedMapping(Mapping):
    """A mapping that keeps its entries in the dict ``_data``.

    A Mapping's own views would take their length from it, and so be wrong.
    """

    def keys(self):
        """Give the names.

        Returns
        -------
        dict_keys
            The names, in order.
        """
        return self._data.keys()

    def values(self):
        """Give the modalities.

        Returns
        -------
        dict_values
            The modalities, in order.
        """
        return self._data.values()

    def items(self):
        """Give the names and the modalities.

        Returns
        -------
        dict_items
            Pairs of name and modality, in order.
        """
        return self._data.items()

    def __iter__(self):
        """The names."""
        return iter(self._data)

    def __contains__(self, name):
        """Whether there is a modality of that name."""
        return isinstance(name, str) and name in self._data
