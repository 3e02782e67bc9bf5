"""Which words of reports speak for a class, on the raw texts: as a plot and as a page."""

from numbers import Real

import numpy as np

from skmm._optional import import_optional
from skmm._text import as_texts
from skmm._training import Choice, Number, check_values
from skmm.inspection._attribute import attribute
from skmm.inspection._html import colour_rules, escaped, page, write_page
from skmm.inspection._models import reached
from skmm.inspection._panels import figure_of, plain_title, say
from skmm.inspection._report_steps import Trail, as_given
from skmm.inspection._samples import samples_to_show, true_labels
from skmm.inspection._token_colours import colour_scale
from skmm.inspection._token_html import legend_html, text_html
from skmm.inspection._token_plot import Letters, draw_bar, draw_text
from skmm.inspection._token_text import (
    check_tokens,
    check_values_of_tokens,
    read_report,
    word_frame,
)
from skmm.model_selection._plotting import new_axes

_SIGNED = "signed"
_RULES = {
    "token_score": (Choice((_SIGNED, "squared")),),
    "scale": (Choice(("shared", "max")), Number(Real, 0, closed="neither")),
}
_WIDTH = 7.5  # inches of a new figure
_EDGES = 0.2  # inches that its layout leaves free
_TITLE, _BAR = 0.35, 0.75  # inches of a title, and of the colour bar


class TokenAttributionDisplay:
    """Which words of a report a model goes by: raw texts, each word in the colour of its weight.

    Red words, with a solid line below them, speak for the class; blue ones, with a dashed line, against it;
    white is zero. Words that are not in the vocabulary, or were cleaned away, have no colour, but are shown:
    the text is the reader's own. Squares (``token_score="squared"``) have no sign, and are purple.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. :meth:`plot` draws it with matplotlib,
    :meth:`to_html` writes a page that tells the value of each word.

    Parameters
    ----------
    texts : sequence of str
        Raw texts; None where one is missing.
    tokens : list of list of Token
        Of each text its tokens with their places, as :meth:`skmm.preprocessing.TextTokenizer.tokenize` gives
        them; whatever stands for a missing text is not read.
    attributions : list of array-like of shape (n_tokens,)
        Of each text a number a token.
    y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
        Labels, as titles; samples of all classes are then shown in turn. Of several, 0 or 1 each, titles name
        those that a sample has, and samples stay in their order.
    names : sequence of str, default=None
        What samples are called; default: their rows.
    target : str or array-like of shape (n_samples,), default=None
        The class for which positive attributions speak; of all samples, or of each.
    token_score : {"signed", "squared"}, default="signed"
        Whether attributions have a sign, or are squares as in the paper: the squared gradient with respect to
        the embedding matrix, summed per row.

    Attributes
    ----------
    words_ : DataFrame
        The words of the samples shown: "sample", "token", "word" as the text has it, its place "start" to
        "stop", "attribution", and "rank" by strength, 1 for the strongest of a sample.
    rows_ : ndarray of int
        The rows of the samples shown.
    axes_ : list of matplotlib Axes
        One a sample.
    figure_ : matplotlib Figure
        What holds them.

    Raises
    ------
    ValueError
        If a parameter is not allowed, a token has no place in its text, or there is not one finite number a
        token.

    Notes
    -----
    NOTE[DIFF]: the published code scales the numbers of each text from their minimum to their maximum, so
    that zero is any colour, and writes the raw words to the rows of the cleaned ones, which shifts them.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan: Axiomatic attribution for deep networks. ICML 2017.

    Examples
    --------
    >>> from skmm.inspection import TokenAttributionDisplay
    >>> from skmm.preprocessing import TextTokenizer
    >>> reports = ["Heart size is normal.", "The heart is ENLARGED."]
    >>> tokens = TextTokenizer(stop_words="english").fit(reports).tokenize(reports)
    >>> display = TokenAttributionDisplay.from_predictions(
    ...     reports, tokens, [[0.1, 0.0, -0.6], [0.2, 0.8]], target="cardiomegaly"
    ... )
    >>> display.words_[["sample", "word", "attribution", "rank"]]
       sample      word  attribution  rank
    0       0     Heart          0.1     2
    1       0      size          0.0     3
    2       0    normal         -0.6     1
    3       1     heart          0.2     2
    4       1  ENLARGED          0.8     1
    """

    def __init__(self, texts, tokens, attributions, *, y=None, names=None, target=None, token_score=_SIGNED):
        self.texts = texts
        self.tokens = tokens
        self.attributions = attributions
        self.y = y
        self.names = names
        self.target = target
        self.token_score = token_score

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        modality=None,
        target=None,
        token_score=_SIGNED,
        method=None,
        ax=None,
        **options,
    ):
        """Ask a fitted model which words it goes by, and plot them on the raw texts.

        All samples go through the model; hand over a part of many.

        Parameters
        ----------
        estimator : estimator
            Fitted, as :func:`attribute` takes it: a fusion classifier that takes texts, such as
            ImageTextClassifier, alone, as the last step of a Pipeline, or in a search.
        X : mapping of str -> array, or ModalityDict
            Samples. Sample ids of a ModalityDict are their names.
        y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Labels, as titles; samples of all classes are then shown in turn. Of several, titles name those
            that a sample has.
        modality : str, default=None
            The texts to show; may be left out where there is one modality of texts.
        target : label or array-like of shape (n_samples,), default=None
            The class for which words speak, of all samples or of each; default: the one that is predicted.
        token_score : {"signed", "squared"}, default="signed"
            What a word says for and against the class; or, as in the paper, how much the answer depends on
            it: the squared gradient with respect to its vector, summed, in parts of that of all words of the
            text.
        method : str, default=None
            A method of :func:`attribute`; default: "integrated_gradients", and "saliency", which is the
            gradient, for squares.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a sample; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        TokenAttributionDisplay
            With ``words_``, ``rows_``, ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            If an argument is not allowed, or no texts reach the model: names the step that has made
            something else of them.

        Examples
        --------
        >>> from skmm.fusion import ImageTextClassifier
        >>> from skmm.inspection import TokenAttributionDisplay
        >>> reports = ["Lungs are clear.", "Left effusion.", "Clear lungs, no effusion.", "Effusion seen."]
        >>> X, y = {"report": reports}, ["well", "ill", "well", "ill"]
        >>> model = ImageTextClassifier(8, n_filters=4, max_epochs=2, random_state=0).fit(X, y)
        >>> display = TokenAttributionDisplay.from_estimator(model, X, target="ill", samples=[1])
        >>> display.words_["word"].tolist()
        ['Left', 'effusion']
        """
        check_values(cls.__name__, {"token_score": token_score}, {"token_score": _RULES["token_score"]})
        is_signed = token_score == _SIGNED
        method = ("integrated_gradients" if is_signed else "saliency") if method is None else method
        X = as_given(estimator, X)
        attributions = attribute(estimator, X, target, method=method, token_score=token_score)
        name = _of_texts(estimator, X, attributions, modality)
        values = [np.asarray(own, dtype=np.float64) for own in attributions[name]]
        if not is_signed:
            values = [own / (own.sum() or 1.0) for own in values]
        targets = attributions.target
        return cls(
            attributions.X[name],
            attributions.tokens[name],
            values,
            y=y,
            names=attributions.index,
            target=targets[0] if len(set(targets)) == 1 else targets,
            token_score=token_score,
        ).plot(ax=ax, **options)

    @classmethod
    def from_predictions(
        cls,
        texts,
        tokens,
        attributions,
        y=None,
        *,
        names=None,
        target=None,
        token_score=_SIGNED,
        ax=None,
        **options,
    ):
        """Plot attributions of words.

        Parameters
        ----------
        texts : sequence of str
            Raw texts; None where one is missing.
        tokens : list of list of Token
            Of each text its tokens with their places.
        attributions : list of array-like of shape (n_tokens,)
            Of each text a number a token.
        y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Labels, as titles; samples of all classes are then shown in turn. Of several, titles name those
            that a sample has.
        names : sequence of str, default=None
            What samples are called; default: their rows.
        target : str or array-like of shape (n_samples,), default=None
            The class for which positive attributions speak; of all samples, or of each.
        token_score : {"signed", "squared"}, default="signed"
            Whether attributions have a sign, or are squares.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a sample; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        TokenAttributionDisplay
            With ``words_``, ``rows_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        display = cls(texts, tokens, attributions, y=y, names=names, target=target, token_score=token_score)
        return display.plot(ax=ax, **options)

    def plot(self, *, samples=3, scale="shared", ax=None):
        """Draw the texts.

        A line is as wide as its Axes is when it is drawn. In an Axes that is too small letters are smaller,
        and what still does not fit is left out, which is said.

        Parameters
        ----------
        samples : int or list of int, default=3
            How many samples, or the rows of which.
        scale : {"shared", "max"} or float, default="shared"
            The attribution that has the full colour: the strongest of all texts, the strongest of each text,
            or a number.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a sample; default: a new figure.

        Returns
        -------
        TokenAttributionDisplay
            Itself.

        Raises
        ------
        ValueError
            If an argument is not allowed, or the data do not go together.

        Examples
        --------
        See the class.
        """
        reports = self._reports(samples, scale)
        who, n_panels = type(self).__name__, max(len(reports), 1)
        letters = Letters()
        if ax is None:
            heights = [letters.inches(one.pieces, _WIDTH - _EDGES) for one in reports] or [1.0]
            pyplot = import_optional("matplotlib.pyplot", extra="explain", who=who)
            size = _WIDTH, sum(heights) + _TITLE * n_panels + _BAR
            figure = pyplot.figure(figsize=size, layout="constrained")
            ax = figure.subplots(n_panels, 1, height_ratios=heights, squeeze=False)[:, 0]
        self.axes_ = new_axes(ax, n_panels, who, size=None)
        self.figure_ = figure_of(self.axes_[0])
        if not reports:
            say(self.axes_[0], "no sample has a text")
            return self
        for panel, one in zip(self.axes_, reports, strict=True):
            panel.set_axis_off()
            plain_title(panel, one.title)
            panel.title.set(ha="left", x=0)
        draw_bar(self.axes_, colour_scale(self._top, signed=self._is_signed), self._meaning(scale))
        if self.figure_.get_layout_engine() is not None:
            self.figure_.draw_without_rendering()  # now the widths are known
        for panel, one in zip(self.axes_, reports, strict=True):
            draw_text(panel, one, letters, signed=self._is_signed)
        return self

    def to_html(self, path=None, *, samples=10, scale="shared", title="What the words of the reports say"):
        """Write a page that opens in any browser, without a network.

        Pointing at a word, or going to it with the keyboard (tab, then arrows), shows its attribution and its
        rank. The page has buttons for the size of letters, a table of the strongest words of each text, and
        colours for light and dark screens and for paper. It holds all that it needs and fetches nothing.
        Texts and names are shown as they are: markup in them is neither read nor run.

        Parameters
        ----------
        path : str or path, default=None
            The file, which is overwritten. None: as a str.
        samples : int or list of int, default=10
            How many samples, or the rows of which.
        scale : {"shared", "max"} or float, default="shared"
            The attribution that has the full colour, as in :meth:`plot`.
        title : str, default="What the words of the reports say"
            The heading.

        Returns
        -------
        str or pathlib.Path
            The page where there is no path; else where it is.

        Raises
        ------
        ValueError
            If an argument is not allowed, or the data do not go together.

        Examples
        --------
        >>> from skmm.inspection import TokenAttributionDisplay
        >>> from skmm.preprocessing import TextTokenizer
        >>> reports = ["Small <effusion>."]
        >>> tokens = TextTokenizer().fit(reports).tokenize(reports)
        >>> text = TokenAttributionDisplay(reports, tokens, [[0.1, 0.7]]).to_html()
        >>> "&lt;" in text, "<effusion>" in text
        (True, False)
        """
        reports = self._reports(samples, scale)
        articles = [
            f"<article><h2><bdi>{escaped(one.title)}</bdi></h2>\n"
            f"{text_html(one, signed=self._is_signed)}</article>"
            for one in reports
        ]
        legend = legend_html(self._meaning(scale), self._top, signed=self._is_signed)
        body = "\n".join([legend, *(articles or ["<p>No sample has a text.</p>"])])
        return write_page(page(title, body, rules=colour_rules(signed=self._is_signed)), path)

    def _repr_html_(self):
        """The page in a frame in which no script runs, for notebooks that do not show a plot of it."""
        if hasattr(self, "figure_"):
            return None
        return (
            f'<iframe sandbox width="100%" height="420" title="{type(self).__name__}" '
            f'srcdoc="{escaped(self.to_html())}"></iframe>'
        )

    def _reports(self, samples, scale):
        """The texts of some samples with all that is shown of them."""
        who = type(self).__name__
        check_values(who, {"token_score": self.token_score, "scale": scale}, _RULES)
        self._is_signed = self.token_score == _SIGNED
        texts = as_texts(self.texts, who)
        given = {name: getattr(self, name) for name in ("tokens", "attributions", "names", "target")}
        given = {  # as lists: a Series would be asked by its labels
            name: value if value is None or (name == "target" and np.ndim(value) == 0) else list(value)
            for name, value in given.items()
        }
        for name, value in given.items():
            if isinstance(value, list) and len(value) != len(texts):
                raise ValueError(
                    f"{name} must have an entry for each of {len(texts)} texts. Got {len(value)}."
                )
        tokens = given["tokens"]
        present = np.array([text is not None for text in texts], dtype=bool)
        labels, columns = true_labels(self.y, len(texts))
        several = labels is not None and labels.ndim == 2
        self.rows_ = samples_to_show(samples, present, None if several else labels)
        if several:
            labels = [_labels_in_words(row, columns) for row in labels]
        values = {}
        for row in np.flatnonzero(present):
            check_tokens(texts[row], tokens[row], row)
            lowest = None if self._is_signed else 0
            values[row] = check_values_of_tokens(given["attributions"][row], tokens[row], row, lowest=lowest)
        tops = {row: float(np.abs(own).max(initial=0.0)) for row, own in values.items()}
        shared = max(tops.values(), default=0.0) if scale == "shared" else scale
        self._top = 1.0 if scale == "max" else float(shared)
        self.words_ = word_frame(texts, tokens, values, self.rows_)
        names, target = given["names"], given["target"]
        return [
            read_report(
                _title(row, names, labels, target), texts[row], tokens[row], values[row],
                tops[row] if scale == "max" else self._top,
            )
            for row in self.rows_
        ]  # fmt: skip

    def _meaning(self, scale):
        """What the colours mean, in words."""
        if not self._is_signed:
            meaning = "squared gradient: how much the answer depends on a word"
        else:
            one = self.target is not None and np.ndim(self.target) == 0
            named = str(self.target) if one else "the class"
            meaning = f"red speaks for {named}, blue against it"
        return meaning + ("; 1: the strongest word of a text" if scale == "max" else "")


def _of_texts(estimator, X, attributions, modality):
    """The name of the texts to show; raises where none of that name reach the model."""
    kinds = attributions.X.kinds
    texts = [name for name in attributions if kinds[name] == "text"]
    if modality is None and len(texts) == 1:
        return texts[0]
    if modality in texts:
        return modality
    trail = Trail()
    reached(estimator, X, trail)
    made = [
        f" {name!r} reaches the model as a {kinds[name]}, made by {step}."
        for name, step in trail.made_by.items()
    ]
    raise ValueError(
        f"modality must be one of {texts}, the texts that reach the model. Got {modality!r}.{''.join(made)}"
    )


def _labels_in_words(row, columns):
    """Those of several labels that a sample has, by the names or the numbers of their columns."""
    names = range(len(row)) if columns is None else columns
    return ", ".join(str(name) for name, value in zip(names, row, strict=True) if value == 1) or "no label"


def _title(row, names, labels, target):
    """What a sample is called, and the class that is spoken for where it is one of its own."""
    parts = (
        [] if labels is not None and names is None else [f"row {row}" if names is None else str(names[row])]
    )
    parts += [] if labels is None else [str(labels[row])]
    title = ": ".join(parts)
    return f"{title} (speaking for {target[row]})" if isinstance(target, list) else title
