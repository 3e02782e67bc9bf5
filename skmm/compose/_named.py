"""A dict {modality or tuple of modalities: transformer} as nested parameters, and its checks."""

from collections.abc import Mapping

from sklearn.base import clone

KEYWORDS = ("drop", "passthrough")


def names_of(key):
    """Modalities of a key: itself, or those of a tuple."""
    return key if isinstance(key, tuple) else (key,)


def parameter_of(key):
    """Name under which the transformer of a key is a parameter: "rna", or "ct+mri" for a tuple."""
    return "+".join(map(str, names_of(key)))


def nested_parameters(transformers):
    """All transformers and their parameters, as ``get_params(deep=True)`` gives them."""
    found = {}
    if not isinstance(transformers, Mapping):
        return found  # a wrong value is reported by fit
    for key, transformer in transformers.items():
        name = parameter_of(key)
        found[name] = transformer
        if hasattr(transformer, "get_params") and not isinstance(transformer, type):
            found.update((f"{name}__{k}", v) for k, v in transformer.get_params(deep=True).items())
    return found


def with_parameters(transformers, params):
    """A copy of a dict of transformers with some replaced (``rna``) or changed (``rna__n_components``).

    A transformer is cloned before it is changed: it belongs to the caller, who may use it elsewhere.
    """
    changed = dict(transformers) if isinstance(transformers, Mapping) else {}
    keys = {parameter_of(key): key for key in changed}
    nested = {}
    for param, value in params.items():
        name, _, rest = param.partition("__")
        if name not in keys:
            raise ValueError(
                f"Invalid parameter {param!r}: there is no transformer of that name. "
                f"Valid names are {sorted(keys)}, as in 'rna' or 'rna__n_components'."
            )
        if rest:
            nested.setdefault(name, {})[rest] = value
        else:
            changed[keys[name]] = value
    for name, values in nested.items():
        transformer = changed[keys[name]]
        if isinstance(transformer, str):
            raise ValueError(
                f"Invalid parameter '{name}__{next(iter(values))}': {name!r} is {transformer!r}."
            )
        changed[keys[name]] = clone(transformer).set_params(**values)
    return changed


def check_transformer(transformer, where):
    """Refuse what is neither a transformer nor "drop" nor "passthrough"."""
    if isinstance(transformer, str) and transformer in KEYWORDS:
        return
    if isinstance(transformer, type):
        raise TypeError(
            f"{where} must be a transformer instance. Got the class {transformer.__name__}: add ()."
        )
    if not (hasattr(transformer, "fit") and hasattr(transformer, "transform")):
        raise TypeError(
            f"{where} must be a transformer with fit and transform, 'drop' or 'passthrough'. "
            f"Got {transformer!r} instead."
        )


def check_transformers(transformers, remainder, own_parameters):
    """Check a dict of transformers; return a dict of modality -> key."""
    if not isinstance(transformers, Mapping):
        raise TypeError(
            "transformers must be a dict of modality name (or tuple of names) -> transformer, 'drop' or "
            f"'passthrough'. Got {type(transformers).__name__} instead."
        )
    check_transformer(remainder, "remainder")
    keys = {}
    for key, transformer in transformers.items():
        check_transformer(transformer, f"transformers[{key!r}]")
        if not names_of(key):
            raise ValueError("transformers holds an empty tuple: name the modalities, or remove it.")
        for name in names_of(key):
            if not isinstance(name, str):
                raise TypeError(
                    f"Keys of transformers must be modality names or tuples of them. Got {key!r} instead."
                )
            if name in keys:
                raise ValueError(
                    f"Modality {name!r} is named twice in transformers, "
                    f"in {keys[name]!r} and {key!r}: keep one."
                )
            keys[name] = key
    parameters = [parameter_of(key) for key in transformers]
    taken = sorted(set(parameters) & set(own_parameters))
    if taken:
        raise ValueError(
            f"The modality names {taken} are names of parameters of ModalityTransformer: "
            "rename these modalities."
        )
    if len(set(parameters)) < len(parameters):
        raise ValueError(
            f"Two keys of transformers have the same parameter name: {parameters}. Rename a modality."
        )
    return keys


class NamedEstimators:
    """Mixin of estimators whose ``estimator`` may be a dict by name: its entries are nested parameters."""

    def get_params(self, deep=True):
        """Parameters, with those of the estimators where a dict is given (``rna__C``).

        Parameters
        ----------
        deep : bool, default=True
            Whether to look into the estimators.

        Returns
        -------
        dict of str -> object
            Parameters by name.
        """
        params = super().get_params(deep=deep)
        return {**nested_parameters(self.estimator), **params} if deep else params

    def set_params(self, **params):
        """Set parameters; those of a dict of estimators are set on copies (``rna__C=1.0``).

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : object
            This estimator.
        """
        own = super().get_params(deep=False)
        super().set_params(**{key: params.pop(key) for key in list(params) if key.partition("__")[0] in own})
        if params:
            self.estimator = with_parameters(self.estimator, params)
        return self
