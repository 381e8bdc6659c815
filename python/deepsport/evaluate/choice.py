"""Read option letters, or yes and no, from what a model wrote; never a guess.

The rules go from certain to tolerant and stop at the first that decides. The name of the rule is
kept with every score, so that "how was this read" can be answered and counted. A letter inside a
word, the article "A" and an option that is only ruled out ("not B") are not answers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from deepsport.errors import MissingExtraError

__all__ = ["Reading", "normalise", "read_choice", "read_yes_no"]

FUZZY_LEAST = 90.0  #: rapidfuzz ratio an option must reach
FUZZY_MARGIN = 10.0  #: and its lead over the runner-up


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: labels in option order, or None with the rule that failed."""

    labels: tuple[str, ...] | None
    rule: str


_DASHES = re.compile("[\u2010-\u2015\u2212]")
_MARKUP = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}|[*`$#]")
_SPACES = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Return text case-folded, full-width folded, with markup gone and white space single.

    Examples
    --------
    >>> normalise("**Cross-court  NET shot.**")
    'cross-court net shot'
    """
    text = unicodedata.normalize("NFKC", text)
    text = _DASHES.sub("-", text).replace("\u2019", "'")
    for _ in range(3):  # \text{\boxed{B}} nests
        text = _MARKUP.sub(lambda match: match.group(1) or "", text)
    text = _SPACES.sub(" ", text.replace("_", " ")).strip().casefold()
    return text.strip(" .;,!?\"'\u201c\u201d\u2018\u2019\u3002")


_LABEL_PREFIX = r"(?:(?:the\s+)?(?:correct\s+|right\s+|best\s+|final\s+)?(?:answer|option|choice)\s*(?:is|:)?\s*)?"
_WHOLE = re.compile(
    rf"{_LABEL_PREFIX}[(\[]?\s*(?:option\s+|o)?([a-z]|\d{{1,2}})\s*[)\].:]*", re.IGNORECASE
)
_LEADING = re.compile(
    r"[(\[]?\s*(?:option\s+)?([a-z])\s*(?:[)\].:]+|,(?!\s*\(?[a-z]\b)|\s-|\s(?=because\b|since\b|as\b))\s*(.*)",
    re.IGNORECASE | re.DOTALL,
)
_ENDING = r"(?![a-z'])(?=\s*(?:[)\].,:;]|$|\n|because|since|as\b|-))"
_ANCHORED = re.compile(
    r"(?:(?:answer|option|choice|choose|select|pick)(?:\s+(?:option|choice|letter))?"
    r"\s*(?:is|are|would be|must be|:|=)?|\bit(?:'s|\s+is|\s+must\s+be)|\bgo(?:ing)?\s+with)"
    rf"\s*[(\[]?\s*(?:option\s+)?(?<![a-z])([a-z]){_ENDING}"
    # or the other way round: "B is the correct answer"
    r"|(?<![\w'])(?:option\s+)?([a-z])\)?\s+(?:is|must\s+be)\s+(?:the\s+)?"
    r"(?:correct|right|best|answer)",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"(?:\bnot|n't|neither|nor|never|except|rather than|instead of|rule out)\s*"
    r"(?:the\s+)?(?:answer|option|choice)?\s*(?:is|be)?\s*[(\[]?$",
    re.IGNORECASE,
)
_LIST_SPLIT = re.compile(r"\s*(?:,|;|/|&|\band\b|\s)\s*", re.IGNORECASE)


def read_choice(answer: str, options: Sequence[str], *, several: bool = False) -> Reading:
    """Read the option letters an answer names.

    Parameters
    ----------
    answer : str
        What stood between the answer tags, or free text.
    options : sequence of str
        Option texts; letters are A, B, C, ... by position.
    several : bool
        Whether more than one option may be right, so that ``ACD`` is three letters.

    Returns
    -------
    Reading
        `rule` is one of ``label``, ``labels``, ``label+text``, ``anchored``, ``text``,
        ``text inside``, ``fuzzy``; or, with no labels, ``empty``, ``conflict``, ``ambiguous``,
        ``no such option``, ``nothing matched``.

    Raises
    ------
    MissingExtraError
        When rapidfuzz is needed and not installed.

    Examples
    --------
    >>> read_choice("**(b)**", ["Smash", "Net shot"])
    Reading(labels=('B',), rule='label')
    >>> read_choice("It was a net shot.", ["Smash", "Net shot"])
    Reading(labels=('B',), rule='text inside')
    """
    letters = tuple(chr(ord("A") + i) for i in range(len(options)))
    plain = normalise(answer)
    if not plain:
        return Reading(None, "empty")
    texts = _normal_options(tuple(options))
    exact = [letter for letter, text in zip(letters, texts, strict=True) if text == plain]
    label = _whole_label(plain, letters, texts)
    # an option whose text looks like a label ("A. 2" among counts) is read as text first
    if len(exact) == 1 and (label is None or label not in letters or plain in texts):
        return Reading((exact[0],), "text")
    if label is not None:
        return Reading((label,), "label") if label in letters else Reading(None, "no such option")
    listed = _label_list(plain, letters, several=several)
    if listed is not None:
        return Reading(listed, "labels")
    leading = _LEADING.fullmatch(plain)
    if leading and leading.group(1).upper() in letters:
        return _labelled_text(leading.group(1).upper(), leading.group(2), letters, texts)
    anchored = _anchored(plain, letters)
    if anchored:
        return Reading((anchored,), "anchored")
    if len(exact) > 1:
        return Reading(None, "ambiguous")
    inside = _inside(plain, letters, texts)
    if len(inside) == 1 or (inside and several):
        return Reading(inside, "text inside")
    if len(inside) > 1:
        return Reading(None, "ambiguous")
    return _fuzzy(plain, letters, texts)


@lru_cache(maxsize=4096)
def _normal_options(options: tuple[str, ...]) -> tuple[str, ...]:
    """Normalise options, without a label that the text itself begins with ("A. Clear")."""
    texts = [normalise(option) for option in options]
    prefixes = [f"{chr(ord('a') + i)}." for i in range(len(options))]
    if all(t.startswith(p) for t, p in zip(texts, prefixes, strict=True)):
        texts = [text[2:].strip() for text in texts]
    return tuple(texts)


def _whole_label(plain: str, letters: Sequence[str], texts: Sequence[str]) -> str | None:
    match = _WHOLE.fullmatch(plain)
    if not match:
        return None
    found = match.group(1).upper()
    if found.isdigit():  # "O2", "option 2": only when no option is itself a number
        if any(any(c.isdigit() for c in text) for text in texts) or plain.isdigit():
            return None
        number = int(found)
        return letters[number - 1] if 1 <= number <= len(letters) else found
    return found


def _label_list(plain: str, letters: Sequence[str], *, several: bool) -> tuple[str, ...] | None:
    body = re.sub(rf"^{_LABEL_PREFIX}", "", plain, count=1).strip(" ()[].")
    parts = [part.strip("()[].") for part in _LIST_SPLIT.split(body) if part]
    if several and len(parts) == 1 and len(parts[0]) > 1:
        parts = list(parts[0])  # "ACD"
    if len(parts) < 2 or len(set(parts)) != len(parts):
        return None
    upper = [part.upper() for part in parts]
    if any(part not in letters for part in upper):
        return None
    return tuple(sorted(upper))


def _labelled_text(label: str, text: str, letters: Sequence[str], texts: Sequence[str]) -> Reading:
    """Read "B. net shot": the letter decides unless the text is exactly another option."""
    text = normalise(text)
    same = [letter for letter, option in zip(letters, texts, strict=True) if option == text]
    if same and label not in same:
        return Reading(None, "conflict")
    return Reading((label,), "label+text")


def _anchored(plain: str, letters: Sequence[str]) -> str | None:
    last = None
    for match in _ANCHORED.finditer(plain):
        group = 1 if match.group(1) else 2
        letter = match.group(group).upper()
        negated = _NEGATED.search(plain[: match.start(group)]) or _NEGATED.search(
            plain[: match.start()]
        )
        if letter in letters and not negated:
            last = letter
    return last


def _inside(plain: str, letters: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    """Find the options whose text stands in the answer as whole words, not negated.

    Longer options claim their place first, so "net shot" is not found in "cross-court net shot".
    """
    taken: list[tuple[int, int]] = []
    found = set()
    pairs = sorted(zip(letters, texts, strict=True), key=lambda pair: -len(pair[1]))
    for letter, text in pairs:
        if len(text) < 2 and not text.isdigit():
            continue
        for match in re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", plain):
            free = all(match.end() <= start or match.start() >= stop for start, stop in taken)
            if free:
                taken.append(match.span())
                before = plain[max(0, match.start() - 24) : match.start()]
                if not re.search(
                    r"(?:\bnot|n't|neither|nor|rather than|instead of)(?: an?| the)? $", before
                ):
                    found.add(letter)
    return tuple(letter for letter in letters if letter in found)


def _fuzzy(plain: str, letters: Sequence[str], texts: Sequence[str]) -> Reading:
    try:
        from rapidfuzz import fuzz
    except ImportError as error:
        raise MissingExtraError(
            "deepsport[evaluate] is needed for fuzzy option matching (rapidfuzz)"
        ) from error
    ratios = sorted(
        ((fuzz.ratio(plain, text), letter) for letter, text in zip(letters, texts, strict=True)),
        reverse=True,
    )
    (best, letter), (second, _) = ratios[0], ratios[1]
    if best >= FUZZY_LEAST and best - second >= FUZZY_MARGIN:
        return Reading((letter,), "fuzzy")
    return Reading(None, "nothing matched")


_YES_NO = re.compile(r"(?<!\w)(yes|no|true|false)(?!\w)", re.IGNORECASE)
_YES_NO_ANCHORED = re.compile(r"answer\s*(?:is|:|=)?\s*(yes|no|true|false)(?!\w)", re.IGNORECASE)
_TRUE = {"yes", "true"}


def read_yes_no(answer: str) -> Reading:
    """Read yes or no; rules ``label``, ``leading``, ``anchored``, ``single``.

    Examples
    --------
    >>> read_yes_no("No, the defender played the ball.")
    Reading(labels=('no',), rule='leading')
    """
    plain = normalise(answer)
    if not plain:
        return Reading(None, "empty")
    first = _YES_NO.match(plain)
    if first:
        rule = "label" if first.end() == len(plain) else "leading"
        return Reading((_yes_or_no(first.group(1)),), rule)
    anchored = _YES_NO_ANCHORED.findall(plain)
    if anchored:
        return Reading((_yes_or_no(anchored[-1]),), "anchored")
    found = {_yes_or_no(word) for word in _YES_NO.findall(plain)}
    if len(found) == 1:
        return Reading((found.pop(),), "single")
    return Reading(None, "ambiguous" if found else "nothing matched")


def _yes_or_no(word: str) -> str:
    return "yes" if word.casefold() in _TRUE else "no"
