"""ModalityTransformer: a scikit-learn transformer for each modality."""

import numpy as np
import sklearn
from joblib import Parallel
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from skmm._parallel import delayed
from skmm.compose import _named
from skmm.compose._fitting import fit_one, take_metadata, transform_one
from skmm.compose._outputs import assemble, schema_of
from skmm.compose._plan import METADATA, keyword_arguments, plan, present_part
from skmm.containers import KINDS, n_rows, validate_modalities
from skmm.containers import _validation as messages
from skmm.containers._schema import names_out


class ModalityTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Apply a scikit-learn transformer to each modality, fitted on the samples that have it.

    Missing entries stay missing: a transformer never sees them, neither in ``fit`` nor in ``transform``, and
    a modality whose key is absent stays absent. Targets and sample weights are restricted to the same
    samples. Sample ids, groups and presence travel on.

    What a transformer is handed: of a table what was stored (a DataFrame stays one, sparse stays sparse), of
    text a 1-D array of str, of images an array (n_present, height, width[, channels]), of bags a
    :class:`~skmm.BagArray`. Lazy arrays are read into memory, unless the transformer has an attribute
    ``_accepts_lazy = True``.

    What it may return: two axes make a table; images, volumes and bags keep their kind where the number of
    axes allows it; anything else is taken as :class:`~skmm.ModalityDict` takes it. Rows of a partly NaN table
    that come out all NaN become missing.

    Parameters
    ----------
    transformers : dict of str or tuple of str -> transformer, "drop" or "passthrough"
        What to do with each modality. A tuple of names stands for several modalities. ``fit`` needs every
        modality named here; the dict and its transformers are never changed (clones are fitted).
    remainder : transformer, "drop" or "passthrough", default="passthrough"
        What to do with the modalities that are not named; a transformer is cloned for each of them.
    share : bool, default=False
        Whether a tuple of names means one transformer, fitted on the samples of all its modalities stacked,
        rather than one clone for each. They must have the same kind and features.
    n_jobs : int, default=None
        Number of modalities that are worked on in parallel, as in joblib.
    verbose : bool, default=False
        Whether to print a line for each transformer, with the time it took.

    Attributes
    ----------
    transformers_ : dict of str -> transformer, "drop" or "passthrough"
        The fitted transformer of each modality; without those that no sample had.
    modalities_ : tuple of str
        Modalities seen in ``fit``.
    n_features_in_ : int
        Number of features, where there is a single table.
    feature_names_in_ : ndarray of str
        Their names, where it has names.

    Raises
    ------
    ValueError
        If a named modality is not in X, a name is unknown, or a transformer returns a wrong number of rows,
        nothing but NaN for complete rows, or what is no modality.
    TypeError
        If ``transformers`` holds what is no transformer.
    MissingModalityError
        If no sample has any of the modalities.

    See Also
    --------
    ConcatModalities : Joins the modalities into one table.
    ModalitySplitter : Makes modalities of one table.

    Notes
    -----
    Parameters of transformers have nested names, ``rna__n_components``, and ``set_params(rna=PCA())``
    replaces one; those of a tuple ``("ct", "mri")`` have the name ``ct+mri``. Sample weights (and groups, by
    default those of X) go to the transformers whose ``fit`` takes them; with scikit-learn's metadata routing
    switched on, to those that request them. The output is no table, so there is no ``set_output``; with
    ``sklearn.set_config(transform_output="pandas")`` the tables inside are DataFrames.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skmm.compose import ModalityTransformer
    >>> X = {"rna": np.array([[0.0], [np.nan], [4.0]]), "note": ["a b", "b", None]}
    >>> prepare = ModalityTransformer({"rna": StandardScaler()}).fit(X)
    >>> prepare.transformers_["rna"].mean_  # of the two samples that have it
    array([2.])
    >>> prepare.transform(X)["rna"].ravel()
    array([-1., nan,  1.])
    """

    # it hands metadata on and uses none itself, so there is nothing to request for it
    __metadata_request__fit = {"sample_weight": UNUSED, "groups": UNUSED}
    __metadata_request__fit_transform = {"sample_weight": UNUSED, "groups": UNUSED}

    def __init__(self, transformers, *, remainder="passthrough", share=False, n_jobs=None, verbose=False):
        self.transformers = transformers
        self.remainder = remainder
        self.share = share
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None, groups=None, **params):
        """Fit each transformer on the samples that have its modality.

        Parameters
        ----------
        X : mapping of str -> array
            The modalities.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for transformers that use them.
        sample_weight : array-like of shape (n_samples,), default=None
            Handed to transformers that take it.
        groups : array-like of shape (n_samples,), default=None
            Handed to transformers that take it; those of X when None.
        **params : dict
            More metadata, only with metadata routing.

        Returns
        -------
        self : ModalityTransformer
            Fitted.

        Examples
        --------
        See the example of the class.
        """
        self._fit("fit", X, y, {"sample_weight": sample_weight, "groups": groups, **params})
        return self

    def fit_transform(self, X, y=None, sample_weight=None, groups=None, **params):
        """Fit each transformer and transform with it, by its own ``fit_transform``.

        So transformers whose ``fit_transform`` differs from ``fit`` and ``transform``, as the cross-fitted
        one of :class:`~sklearn.preprocessing.TargetEncoder` does, work as they should.

        Parameters
        ----------
        X : mapping of str -> array
            The modalities.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for transformers that use them.
        sample_weight : array-like of shape (n_samples,), default=None
            Handed to transformers that take it.
        groups : array-like of shape (n_samples,), default=None
            Handed to transformers that take it; those of X when None.
        **params : dict
            More metadata, only with metadata routing.

        Returns
        -------
        ModalityDict
            The transformed modalities, in the order of X.

        Examples
        --------
        See the example of the class.
        """
        X, outputs = self._fit(
            "fit_transform", X, y, {"sample_weight": sample_weight, "groups": groups, **params}
        )
        return assemble(X, outputs, self._schema_out, self.transformers_)

    def transform(self, X, **params):
        """Transform the present samples of each modality.

        Parameters
        ----------
        X : mapping of str -> array
            The modalities; some or all of those of ``fit``.
        **params : dict
            Metadata for transformers that request it, only with metadata routing.

        Returns
        -------
        ModalityDict
            The transformed modalities, in the order of ``fit``.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        X = validate_modalities(self, X, reset=False, absent="leave")
        routed = self._routed("transform", params)
        jobs = []
        for name in X:
            rows = np.flatnonzero(X.is_present(name))
            if len(rows) and hasattr(self.transformers_.get(name), "transform"):
                jobs.append((name, rows))
        outputs = Parallel(n_jobs=self.n_jobs)(
            delayed(transform_one)(
                self.transformers_[name],
                name,
                X.kinds[name],
                present_part(X, name, rows),
                rows,
                {
                    k: take_metadata(v, rows, len(X))
                    for k, v in routed[self._params_of[name]].transform.items()
                }
                if routed
                else {},
                X.feature_names[name],
                verbose=self._message(X, [name], [rows], self.transformers_[name]),
            )
            for name, rows in jobs
        )
        outputs = {name: out for (name, _), out in zip(jobs, outputs, strict=True)}
        return assemble(X, outputs, self._schema_out, self.transformers_)

    def get_feature_names_out(self, input_features=None):
        """Names of what comes out: ``rna__PC0`` for columns of tables, the modality's name for others.

        Parameters
        ----------
        input_features : None
            Not used; the names are those of ``fit``.

        Returns
        -------
        ndarray of str
            Modality after modality.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.decomposition import PCA
        >>> from skmm.compose import ModalityTransformer
        >>> prepare = ModalityTransformer({"rna": PCA(n_components=2)}).fit({"rna": np.eye(4)})
        >>> prepare.get_feature_names_out()
        array(['rna__pca0', 'rna__pca1'], dtype=object)
        """
        check_is_fitted(self)
        return np.asarray(names_out(self._schema_out), dtype=object)

    # --- parameters -------------------------------------------------------------------------------

    def get_params(self, deep=True):
        """Get the parameters of this estimator and of its transformers.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the transformers by their modalities' names, and their parameters as
            ``rna__n_components``.

        Returns
        -------
        dict
            Names and values.

        Examples
        --------
        >>> from sklearn.decomposition import PCA
        >>> from skmm.compose import ModalityTransformer
        >>> ModalityTransformer({"rna": PCA(n_components=5)}).get_params()["rna__n_components"]
        5
        """
        own = super().get_params(deep=deep)
        return {**_named.nested_parameters(self.transformers), **own} if deep else own

    def set_params(self, **params):
        """Set parameters of this estimator, or of its transformers, on copies of what the caller gave.

        Parameters
        ----------
        **params : dict
            Own parameters; ``rna=PCA()`` replaces a transformer; ``rna__n_components=5`` sets one of its
            parameters.

        Returns
        -------
        self : ModalityTransformer
            Changed.

        Raises
        ------
        ValueError
            If a name is unknown.

        Examples
        --------
        >>> from sklearn.decomposition import PCA
        >>> from skmm.compose import ModalityTransformer
        >>> transformers = {"rna": PCA(n_components=5)}
        >>> ModalityTransformer(transformers).set_params(rna__n_components=2).transformers
        {'rna': PCA(n_components=2)}
        >>> transformers
        {'rna': PCA(n_components=5)}
        """
        own_names = self.get_params(deep=False)
        own = {param: value for param, value in params.items() if param in own_names}
        super().set_params(**own)
        others = {param: value for param, value in params.items() if param not in own}
        rest = {param: others.pop(param) for param in list(others) if param.startswith("remainder__")}
        if rest:
            changed = _named.with_parameters({"remainder": self.remainder}, rest)
            self.remainder = changed["remainder"]
        if others:
            self.transformers = _named.with_parameters(self.transformers, others)
        return self

    # --- metadata, tags, display --------------------------------------------------------------------

    def get_metadata_routing(self):
        """Get which transformers request which metadata.

        Returns
        -------
        MetadataRouter
            One entry a transformer, and one for the remainder.

        Examples
        --------
        >>> from sklearn.preprocessing import StandardScaler
        >>> from skmm.compose import ModalityTransformer
        >>> "rna" in str(ModalityTransformer({"rna": StandardScaler()}).get_metadata_routing())
        True
        """
        router = MetadataRouter(owner=self)
        for param, transformer in self._templates().items():
            mapping = (
                MethodMapping()
                .add(caller="transform", callee="transform")
                .add(caller="fit", callee="transform")
            )
            mapping.add(caller="fit", callee="fit")
            if hasattr(transformer, "fit_transform"):
                mapping.add(caller="fit_transform", callee="fit_transform")
            else:
                mapping.add(caller="fit_transform", callee="fit").add(
                    caller="fit_transform", callee="transform"
                )
            router.add(method_mapping=mapping, **{param: transformer})
        return router

    def _templates(self):
        """Transformers by parameter name, without the keywords."""
        templates = {_named.parameter_of(key): value for key, value in self.transformers.items()}
        return {k: v for k, v in {**templates, "remainder": self.remainder}.items() if not isinstance(v, str)}

    def _routed(self, method, params):
        """Metadata for each transformer where routing is on; None, and none allowed, where it is off."""
        if sklearn.get_config()["enable_metadata_routing"]:
            return process_routing(self, method, **params)
        if params:
            raise ValueError(
                f"ModalityTransformer.{method} got {sorted(params)}, but takes further metadata only with "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # one works, but what comes out is no array, as the checks expect
        tags.input_tags.dict = True
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        if isinstance(self.transformers, dict):
            templates = [
                template for template in self._templates().values() if hasattr(template, "__sklearn_tags__")
            ]
            tags.target_tags.required = any(get_tags(template).target_tags.required for template in templates)
        return tags

    def _sk_visual_block_(self):
        """Boxes side by side, one a transformer; scikit-learn's FeatureUnion draws them."""
        boxes = {_named.parameter_of(key): transformer for key, transformer in self.transformers.items()}
        boxes["remainder"] = self.remainder
        if hasattr(self, "transformers_"):
            boxes = self.transformers_
        return FeatureUnion(list(boxes.items()))._sk_visual_block_()

    # --- fitting ------------------------------------------------------------------------------------

    def _fit(self, method, X, y, metadata):
        """Fit all transformers; return the validated X and what comes out of it, by modality."""
        keys = _named.check_transformers(self.transformers, self.remainder, self.get_params(deep=False))
        X = validate_modalities(self, X, reset=True, accept=KINDS)
        if y is not None and n_rows(y) != len(X):
            raise messages.wrong_length("y", len(X), n_rows(y))
        jobs, self.transformers_, self._params_of = plan(
            X, keys, self.transformers, self.remainder, share=self.share
        )
        metadata = self._fit_metadata(method, X, metadata)
        # with routing off, sample weights and groups are handed to whoever takes them
        routing = sklearn.get_config()["enable_metadata_routing"]
        routed = self._routed(
            method, metadata if routing else {k: v for k, v in metadata.items() if k not in METADATA}
        )
        fitted = Parallel(n_jobs=self.n_jobs)(
            delayed(fit_one)(
                job,
                X.kinds[job.names[0]],
                [present_part(X, name, rows) for name, rows in zip(job.names, job.rows, strict=True)],
                take_metadata(y, np.concatenate(job.rows), len(X)),
                keyword_arguments(job, method, metadata, routed, len(X)),
                [X.feature_names[name] for name in job.names],
                full=method == "fit_transform",
                verbose=self._message(X, job.names, job.rows, job.template),
            )
            for job in jobs
        )
        outputs = {}
        for job, (transformer, pieces) in zip(jobs, fitted, strict=True):
            self.transformers_.update(dict.fromkeys(job.names, transformer))
            outputs.update(zip(job.names, pieces, strict=True))
        self._schema_out = schema_of(outputs, self.transformers_, self.schema_)
        return X, outputs

    def _fit_metadata(self, method, X, metadata):
        """What was given to fit, checked; groups are those of X unless given."""
        metadata = {key: value for key, value in metadata.items() if value is not None}
        for key in METADATA:
            if key in metadata:
                n_entries = n_rows(metadata[key]) if np.ndim(metadata[key]) else 1
                if n_entries != len(X):
                    raise messages.wrong_length(key, len(X), n_entries)
        if X.groups is not None and "groups" not in metadata:
            # with routing on, metadata that nobody requested would be an error
            routing = sklearn.get_config()["enable_metadata_routing"]
            if not routing or self.get_metadata_routing().consumes(method, ["groups"]):
                metadata["groups"] = X.groups
        return metadata

    def _message(self, X, names, rows, transformer):
        """Text of a verbose line, or None."""
        if not self.verbose:
            return None
        what = ", ".join(
            f"{name} ({X.kinds[name]}, {len(numbers)} of {len(X)} samples)"
            for name, numbers in zip(names, rows, strict=True)
        )
        return f"{what}: {type(transformer).__name__}"
