"""Names of splits in longer phrases, which several names decide together: ``derivation``, ``external_validation``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from lamelle.data.groups.words import plain, tokens
from lamelle.data.layouts.words import SPLIT_NAMES, split_of
from lamelle.types import SPLITS

_TRAIN = (
    "learning", "learn", "lern", "lernen", "trainings", "trainieren", "treino", "treinamento", "addestramento",
    "allenamento", "apprendimento", "entreno", "aprendizaje", "trainen", "leren", "trening", "treningowy", "treningowa",
    "treningowe", "uczacy", "uczaca", "uczace", "trenovaci", "traning", "træning", "обучение", "обучающая",
    "обучающий", "训练", "訓練", "学習", "학습", "훈련",
)  # fmt: skip
_VALIDATION = (
    "validacao", "convalida", "validazione", "validierungs", "validieren", "valideren", "validatie", "walidacja",
    "walidacyjny", "walidacyjna", "walidacyjne", "validacni", "validering", "валидация", "валидационная",
    "валидационный", "验证", "驗證", "検証", "검증",
)  # fmt: skip
_TEST = (
    "teste", "heldout", "testen", "toets", "toetsen", "prova", "prove", "verifica", "collaudo", "testowy", "testowa",
    "testowe", "testovaci", "prufen", "тест", "тестовая", "тестовый", "测试", "測試", "テスト", "評価",
    "테스트", "시험",
)  # fmt: skip
"""Words of splits that are none of folders and tables of the common conventions."""
_KNOWN = SPLIT_NAMES | {
    plain(word): split for split, words in zip(SPLITS, (_TRAIN, _VALIDATION, _TEST), strict=True) for word in words
}
_STEMS = {
    "train": "train", "learn": "train", "lern": "train", "entrain": "train", "entren": "train", "apprent": "train",
    "addestr": "train", "trein": "train", "trenin": "train", "trenov": "train", "valid": "validation",
    "walid": "validation", "convalid": "validation", "test": "test",
}  # fmt: skip
"""How words begin that may say a split: ``trainset2``, ``testers``."""
_BEGINS = frozenset(
    ("derivation", "development", "discovery", "entwicklung", "developpement", "desarrollo", "decouverte", "sviluppo")
)
"""What the first part of a study is called: it trains, unless another part says that it does."""
_AGAIN = frozenset(("replication", "confirmation", "confirmatory", "replikation"))
_EVALUATION = frozenset(("eval", "evaluation"))
_CHOICE = frozenset(("select", "selection", "tune", "tuning"))
_JUDGEMENT = frozenset(("assess", "assessment"))
_SIGNS = {
    "intern": "internal",
    "extern": "external",
    "public": "public",
    "privat": "private",
    "priv": "private",
    "retrospe": "retrospective",
    "prospe": "prospective",
}
"""How words begin that tell two sets of one kind from each other."""
_OPPOSED = (
    {"internal": "train", "external": "test"},
    {"retrospective": "train", "prospective": "test"},
    {"seen": "train", "unseen": "test"},
    {"public": "train", "private": "test"},
)
"""What two parts of a study are called of which the first one may train."""
_BESIDE = frozenset(
    (
        "set", "dataset", "data", "jeu", "donnee", "datos", "dati", "daten", "datensatz", "cohort", "cohorte",
        "kohorte", "coorte", "subset", "partition", "part", "phase", "split", "image", "img", "sample", "group",
        "groupe", "gruppe", "grupo", "hidden", "unseen", "of", "the", "for", "only", "de", "d", "du", "del", "la", "le",
        "l", "el",
    )
)  # fmt: skip
"""What may stand beside and changes nothing."""
_ENDS = ("kohorte", "daten", "datensatz", "menge", "gruppe", "set", "satz", "bilder", "集", "数据", "データ")


def splits_of(names: Collection[str], *, external: bool = False) -> dict[str, str]:
    """Name → split, for those that say one; what alone says nothing is told by the others.

    The development cohort trains where nothing else is called training; what is validated externally, or replicated,
    tests; of a public and a private test set the public one validates, as in competitions.

    Args:
        external: Whether ``external`` alone is a test set beside one that trains; else it has to say of what.

    Example:
        >>> splits_of(["development", "internal_validation", "external_validation"])
        {'development': 'train', 'internal_validation': 'validation', 'external_validation': 'test'}
        >>> splits_of(["Training", "PublicTest", "PrivateTest"])
        {'Training': 'train', 'PublicTest': 'validation', 'PrivateTest': 'test'}
        >>> splits_of(["discovery", "other"]), splits_of(["internal", "external"], external=True)
        ({}, {})
    """
    words = {name: _words(name) for name in names}
    clear = {name: split for name, spoken in words.items() if (split := split_of(name) or _alone(spoken))}
    begun = {name: _opening(spoken, "train" in clear.values()) for name, spoken in words.items() if name not in clear}
    splits = {**clear, **{name: split for name, split in begun.items() if split}}
    if "train" in splits.values():
        private = any(spoken == {"private", "test"} for spoken in words.values())
        for name, spoken in words.items():
            if name not in splits and (split := _later(spoken, private, {*clear.values()}, external=external)):
                splits[name] = split
    if len(set(splits.values())) < 2:
        splits = {name: split for name, split in clear.items() if split_of(name)}
    return {name: splits[name] for name in names if name in splits}


def loosely(names: Collection[str]) -> dict[str, str]:
    """Name → split, where each name holds the word of one split whatever else it says, and some train; else nothing.

    Example:
        >>> loosely(["train Lyon", "test Brest"]), loosely(["train", "other"])
        ({'train Lyon': 'train', 'test Brest': 'test'}, {})
        >>> loosely(["trainers", "testers"])
        {'trainers': 'train', 'testers': 'test'}
    """
    splits = partly(names)
    return splits if len(splits) == len(names) else {}


def partly(names: Collection[str]) -> dict[str, str]:
    """Name → split, for those that hold the word of one split or begin like it; nothing where none or all train.

    Example:
        >>> partly(["train Lyon", "test Brest", "Metz"]), partly(["training", "rest"])
        ({'train Lyon': 'train', 'test Brest': 'test'}, {})
    """
    candidates = {name: _words(name).intersection(SPLITS) or _begun(name) for name in names}
    splits = {name: min(of_name) for name, of_name in candidates.items() if len(of_name) == 1}
    return splits if "train" in splits.values() and len(set(splits.values())) > 1 else {}


def opposed(names: Collection[str]) -> dict[str, str]:
    """Name → split, of two names that may tell what trains from what judges, with one of what chooses; else nothing.

    Example:
        >>> opposed(["intern", "extern"]), opposed(["prospective", "cohorte rétrospective"])
        ({'intern': 'train', 'extern': 'test'}, {'prospective': 'test', 'cohorte rétrospective': 'train'})
        >>> opposed(["seen", "tuning", "unseen"]), opposed(["intern", "other"])
        ({'seen': 'train', 'tuning': 'validation', 'unseen': 'test'}, {})
    """
    word_of = {name: min(words) for name in names if len(words := _words(name)) == 1}
    for pair in _OPPOSED:
        split_of_word = {**pair, **dict.fromkeys((*_CHOICE, "validation"), "validation")}
        if len(word_of) == len(names) and {*pair} <= {*word_of.values()} <= {*split_of_word}:
            return {name: split_of_word[word] for name, word in word_of.items()}
    return {}


def split_called(name: str) -> str | None:
    """The split that a name says alone, in the words of any language that is known here.

    Example:
        >>> split_called("treino"), split_called("Testdaten"), split_called("covid test"), split_called("other")
        ('train', 'test', None, None)
    """
    return split_of(name) or _alone(_words(name))


def mentions_split(name: str) -> bool:
    """Whether one word of a name is of a split, whatever the others are."""
    return not _words(name).isdisjoint(SPLITS)


def mapping_shown(splits: Mapping[str, str]) -> str:
    """A mapping for people: each split with the names that say it.

    Example:
        >>> mapping_shown({"derivation": "train", "external": "test"})
        'train: derivation; test: external'
    """
    named = {split: [name for name, of in splits.items() if of == split] for split in SPLITS}
    return "; ".join(f"{split}: {', '.join(of_split)}" for split, of_split in named.items() if of_split)


@lru_cache(maxsize=65536)
def _words(name: str) -> frozenset[str]:
    """What the words of a name say, in the words of this module; words that change nothing are left out."""
    meanings = [_word(w) for w in tokens(name)]
    return frozenset([w for w in meanings if w not in _BESIDE] or meanings)


def _word(word: str) -> str:
    for form in (word, word.removesuffix("s")):
        if form in _BESIDE or form in _BEGINS | _AGAIN | _EVALUATION:
            return form
        if form in _KNOWN:
            return _KNOWN[form]
    for end in _ENDS:
        if (base := word.removesuffix(end)) != word and base in _KNOWN:
            return _KNOWN[base]
    return next((sign for begin, sign in _SIGNS.items() if word.startswith(begin)), word)


def _begun(name: str) -> set[str]:
    return {split for word in tokens(name) for stem, split in _STEMS.items() if word.startswith(stem)}


def _alone(words: frozenset[str]) -> str | None:
    """The split of a name that says it without the others."""
    if len(words) == 1 and words <= {*SPLITS}:
        return min(words)
    if words == {"held", "out"}:
        return "test"
    return next((split for split in SPLITS if words == {"internal", split}), None)


def _opening(words: frozenset[str], trained: bool) -> str | None:
    if not words or not words <= _BEGINS:
        return None
    return ("validation" if words == {"development"} else None) if trained else "train"


def _later(words: frozenset[str], private: bool, clear: set[str], *, external: bool) -> str | None:
    """The split of what judges, beside something that trains."""
    if words in ({"external", "validation"}, {"external", "test"}, {"private", "test"}) or (words and words <= _AGAIN):
        return "test"
    if words == {"public", "test"}:
        return "validation" if private else "test"
    if words and words <= _EVALUATION:
        return "validation" if "test" in clear else "test"
    if words and words <= _CHOICE:
        return "validation"
    return "test" if (words and words <= _JUDGEMENT) or (external and words == {"external"}) else None
