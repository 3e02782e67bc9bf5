"""Pages that open anywhere without a network: what is written into them is shown as it is, and never runs.

Two walls stand between data and browser. All that comes from data goes through `escaped`; and a policy in the
page allows the one script and the one style that are written here, by their hashes, pictures inside the page,
and nothing else. So a page has no attributes ``style`` or ``onclick``: looks are classes, widths are SVG.
"""

import base64
import hashlib
import html
import math
from pathlib import Path
from string import Template

from skmm.inspection._token_colours import STEPS, dark_colours, ink_on, light_colours
from skmm.inspection._token_text import drawable

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1><bdi>$title</bdi></h1>
<div class="tools" role="group" aria-label="Size" hidden>
<button type="button" data-zoom="-1" aria-label="Smaller">A&minus;</button>
<output aria-live="polite">100 %</output>
<button type="button" data-zoom="1" aria-label="Larger">A+</button>
</div>
</header>
<main>
$body
</main>
<div id="tip" role="status" hidden></div>
<script>$script</script>
</body>
</html>
""")

_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c1f24; --soft: #5a616b; --line: #d5d9df;
  --card: #fff; --for: #b2182b; --against: #2166ac; --strong: #6a51a3; --right: #1b7837;
  --warn: #fff3d6; --warn-ink: #5c4200;
  --zoom: 1; font-size: calc(100% * var(--zoom)); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 0 1.25rem 4rem; background: var(--page);
  color: var(--ink); font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; line-height: 1.5; }
header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 2rem;
  align-items: center; justify-content: space-between; padding: .7rem 0; background: var(--page);
  border-bottom: 1px solid var(--line); }
h1 { margin: 0; font-size: 1.35rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 0 0 .6rem; font-size: 1.1rem; overflow-wrap: anywhere; }
h3 { margin: 1.1rem 0 .35rem; font-size: .95rem; overflow-wrap: anywhere; }
p { margin: .35rem 0; max-width: 46rem; }
.soft, caption, figcaption { color: var(--soft); font-size: .875rem; }
.tools[hidden] { display: none; }
.tools { display: flex; align-items: center; gap: .35rem; font-size: .9rem; white-space: nowrap; }
.tools output { min-width: 3.6em; text-align: center; font-variant-numeric: tabular-nums; }
button { font: inherit; min-width: 2.4em; padding: .2em .6em; color: inherit; cursor: pointer;
  background: var(--card); border: 1px solid var(--line); border-radius: .4em; }
:focus-visible { outline: 3px solid #e69f00; outline-offset: 1px; }
article { margin: 1.25rem 0; padding: 1rem 1.25rem 1.1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .6rem; }
.text { max-width: 46rem; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 1.05rem;
  line-height: 1.9; }
.w { padding: .1em .12em; border-radius: .15em; cursor: default;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.f { border-bottom: 2px solid var(--for); }
.a { border-bottom: 2px dashed var(--against); }
.s { border-bottom: 2px solid var(--strong); }
.legend { margin: 1rem 0 1.25rem; }
.scale { display: inline-block; width: 21rem; max-width: 100%; margin: .2rem 0 0; font-size: .8rem; }
.cells { display: flex; height: .8rem; border: 1px solid var(--line); }
.cells span { flex: 1; }
.ends { display: flex; justify-content: space-between; color: var(--soft);
  font-variant-numeric: tabular-nums; }
summary { cursor: pointer; color: var(--soft); font-size: .875rem; margin-top: .6rem; width: max-content; }
table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; padding-bottom: .2rem; }
th, td { padding: .12rem .9rem .12rem 0; text-align: left; font-weight: normal; vertical-align: middle;
  overflow-wrap: anywhere; }
thead th { color: var(--soft); font-size: .8rem; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
svg { display: block; width: 12rem; height: .75rem; }
.pair { display: flex; flex-wrap: wrap; gap: .5rem 3.5rem; align-items: flex-start; }
.pair h3 { margin-top: .35rem; }
.pictures { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: flex-start;
  margin: .4rem 0 1rem; }
figure { margin: 0; }
.picture { height: auto; width: 19rem; max-width: 100%; border: 1px solid var(--line);
  background: #fff; }
.picture circle, .picture text { fill: none; vector-effect: non-scaling-stroke; }
.picture .case { stroke: #fff; stroke-width: 4; }
.picture .cf { stroke: #b2182b; stroke-width: 2; }
.picture .ca { stroke: #2166ac; stroke-width: 2; stroke-dasharray: 5 3; }
.picture text { font-weight: bold; stroke: #fff; stroke-width: 3; paint-order: stroke; }
.picture .tf { fill: #b2182b; } .picture .ta { fill: #2166ac; }
.coarse { image-rendering: pixelated; }
.sums, .warning { margin-top: 1rem; }
.right { color: var(--right); } .wrong { color: var(--for); }
.missing { color: var(--soft); font-style: italic; }
.warning { padding: .5rem .8rem; background: var(--warn); color: var(--warn-ink); border-radius: .4rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; }
.words { width: 21rem; max-width: 100%; font-size: .8rem; }
ul { max-width: 50rem; margin: .5rem 0; padding-left: 1.2rem; } li { margin: .2rem 0; }
.axis { stroke: var(--soft); stroke-width: 1; vector-effect: non-scaling-stroke; }
.bf { fill: var(--for); } .ba { fill: var(--against); } .bs { fill: var(--strong); }
.bn { fill: var(--soft); }
#tip { position: fixed; z-index: 2; max-width: 22rem; padding: .35rem .6rem; border-radius: .4rem;
  background: #1c1f24; color: #fff; border: 1px solid #5a616b; font-size: .9rem; white-space: pre-line;
  overflow-wrap: anywhere; pointer-events: none; font-variant-numeric: tabular-nums; }
#tip[hidden] { display: none; }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #17191d; --ink: #e8eaed; --soft: #a5acb6; --line: #3a3f47; --card: #17191d;
    --for: #ff7a66; --against: #5aa9ff; --strong: #b79cff; --right: #7fd58e;
    --warn: #3b2f10; --warn-ink: #ffe2a0; }
  #tip { background: #e8eaed; color: #17191d; }
}
@media print {
  :root { font-size: 10.5pt; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  header { position: static; } .tools, #tip { display: none !important; }
  body { max-width: none; padding: 0; } article { border: 0; padding: 0; }
  h2, h3, figure, tr { break-after: avoid; break-inside: avoid; }
}
"""

_SCRIPT = """
"use strict";
(() => {
  const tip = document.getElementById("tip");
  const words = document.querySelectorAll(".w");
  let told = null;
  const hide = () => { tip.hidden = true; told = null; };
  const show = (word) => {
    tip.textContent = word.dataset.tip;
    tip.hidden = false;
    told = word;
    const place = word.getClientRects()[0], own = tip.getBoundingClientRect();
    const below = place.bottom + 6 + own.height < innerHeight;
    tip.style.left = Math.max(4, Math.min(place.left, innerWidth - own.width - 4)) + "px";
    tip.style.top = (below ? place.bottom + 6 : Math.max(4, place.top - own.height - 6)) + "px";
  };
  const enter = (word) => {
    for (const other of word.closest(".text").querySelectorAll('.w[tabindex="0"]')) other.tabIndex = -1;
    word.tabIndex = 0;
  };
  for (const word of words) {
    word.dataset.tip = word.title;  // without a script the browser shows the title
    word.removeAttribute("title");
    word.addEventListener("mouseenter", () => show(word));
    word.addEventListener("mouseleave", hide);
    word.addEventListener("focus", () => { enter(word); show(word); });
    word.addEventListener("blur", hide);
    word.tabIndex = -1;
  }
  for (const text of document.querySelectorAll(".text")) {
    const own = [...text.querySelectorAll(".w")];
    if (own.length) own[0].tabIndex = 0;  // one stop of the tab key a text; arrows go on from there
    text.addEventListener("keydown", (event) => {
      const at = own.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: own.length - 1 }[event.key];
      if (at < 0 || to === undefined || !own[to]) return;
      event.preventDefault();
      own[to].focus();
    });
  }
  let zoom = 0;
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      zoom = Math.max(-4, Math.min(8, zoom + Number(button.dataset.zoom)));
      const size = 1.15 ** zoom;
      document.documentElement.style.setProperty("--zoom", size);
      document.querySelector(".tools output").textContent = Math.round(100 * size) + " %";
      hide();
    });
  }
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("scroll", () => {  // also where a word that gets the focus is scrolled to
    if (told && told === document.activeElement) show(told); else hide();
  }, { passive: true });
})();
"""


def escaped(text):
    """A text as HTML shows it: nothing in it is markup, inside of elements and of quoted attributes."""
    return html.escape(drawable(str(text)), quote=True)


def number(value, *, signed=True):
    """A number for readers, with a true minus sign."""
    if value == 0:
        return "0"
    form = ".0f" if 1e3 <= abs(value) < 1e7 else ".3g"  # 250000, as people write it
    text = format(value, f"+{form}" if signed else form)
    return f"\N{MINUS SIGN}{text[1:]}" if text[0] == "-" else text


def aligned(value, top):
    """A number of a column whose largest is ``top``: as many decimals as give that one three digits."""
    if not 1e-4 <= abs(top) < 1e6:
        return number(value)
    decimals = max(0, 2 - math.floor(math.log10(abs(top))))
    text = f"{value:+.{decimals}f}"
    return f"\N{MINUS SIGN}{text[1:]}" if text[0] == "-" else text


def percent(share):
    """A share for readers: one that is not all, or not nothing, does not look so."""
    if 0 < share < 0.01:
        return "below 1 %"
    if 0.99 < share < 1:
        return "above 99 %"
    return f"{100 * share:.0f} %"


def class_of(step, *, signed):
    """The classes of a colour: its own, and from a quarter on that of a line; empty for none."""
    if not step:
        return ""
    kind = ("f" if step > 0 else "a") if signed else "s"
    return f"{kind}{abs(step)}" + (f" {kind}" if 4 * abs(step) >= STEPS else "")


def _rules(colours, *, signed):
    """Style rules of colours by step."""
    return "".join(
        f".{class_of(step, signed=signed).split()[0]}{{background:{colour};color:{ink_on(colour)}}}"
        for step, colour in colours.items()
    )


def colour_rules(*, signed):
    """The style of words by their weight, for light and for dark pages."""
    light, dark = (_rules(of(signed=signed), signed=signed) for of in (light_colours, dark_colours))
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{{dark}}}\n"


def colour_bar(top, *, signed):
    """What the colours mean.

    Parameters
    ----------
    top : float
        The value of the last step.
    signed : bool
        Whether values have a sign.

    Returns
    -------
    str
        HTML.
    """
    steps = range(-STEPS if signed else 0, STEPS + 1)
    cells = "".join(f'<span class="{class_of(step, signed=signed).split(" ")[0]}"></span>' for step in steps)
    ends = [-top, 0, top] if signed else [0, top]
    labels = "".join(f"<span>{number(end, signed=signed)}</span>" for end in ends)
    return (
        f'<div class="scale"><div class="cells" aria-hidden="true">{cells}</div>'
        f'<div class="ends">{labels}</div></div>'
    )


def bar(value, top, kind):
    """A bar of a value, as a picture that says nothing new to those who do not see it."""
    length = 100 * min(1.0, abs(value) / top) if top else 0.0
    left = -length if value < 0 else 0.0
    low = -100 if kind is None else 0
    kind = kind or ("bf" if value >= 0 else "ba")
    return (
        f'<svg viewBox="{low} 0 {100 - low} 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{kind}" x="{left:.2f}" y="1" width="{length:.2f}" height="8"/>'
        f'<line class="axis" x1="0" x2="0" y1="0" y2="10"/></svg>'
    )


def _hash(text):
    """The hash by which a policy allows a script or a style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def page(title, body, *, rules=""):
    """A whole page.

    Parameters
    ----------
    title : str
        As it is; it is escaped here.
    body : str
        HTML, with all of data escaped.
    rules : str, default=""
        More style.

    Returns
    -------
    str
    """
    style = _STYLE + rules
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(_SCRIPT)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return _PAGE.substitute(policy=policy, title=escaped(title), style=style, script=_SCRIPT, body=body)


def write_page(text, path):
    """A page as a str where there is no path; else its path, once it is written."""
    if path is None:
        return text
    path = Path(path).expanduser()
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
