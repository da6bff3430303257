"""The words by which people name what several images are of: a patient, an animal, a slide; in four languages."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

GROUP_WORDS: tuple[tuple[str, ...], ...] = (
    (
        "patient", "patiente", "subject", "sujet", "person", "personne", "individual", "individu", "participant",
        "participante", "volunteer", "volontaire", "donor", "donneur", "donneuse", "donateur", "proband", "mrn", "ipp",
        "sub", "subj", "pat", "pt", "malade", "nip", "nhc", "patienten", "patientin", "paciente", "sujeto", "pid",
        "spender", "spenderin", "teilnehmer", "teilnehmerin", "probandin", "donante", "paziente", "pazienti",
        "soggetto", "donatore", "doente",
    ),
    (
        "animal", "animaux", "mouse", "mice", "souris", "rat", "rabbit", "lapin", "pig", "porc", "monkey", "singe",
        "macaque", "zebrafish", "embryo", "embryon", "larva", "larvae", "larve", "fetus", "foetus",
        "maus", "mause", "maeuse", "ratte", "ratten", "raton", "rata", "conejo", "cerdo", "kaninchen", "schwein",
        "versuchstier", "versuchstiere", "labortier", "camundongo", "ratto",
    ),
    ("case", "cas", "caso", "dossier"),
    ("study", "etude", "examen", "exam", "accession", "visit", "visite", "studie", "estudio", "untersuchung"),
    ("eye", "oeil", "yeux", "auge", "ojo", "occhio"),
    ("specimen", "biopsy", "biopsie", "biopsies", "prelevement", "explant", "organoid", "organoide", "tumour", "tumor",
     "tumeur", "lesion", "nodule", "polyp", "polype", "naevus", "nevus", "biopsia", "praparat", "praeparat", "lesione"),
    ("slide", "lame", "wsi", "section", "block", "bloc", "objekttrager", "objekttraeger", "portaobjetos", "vetrino"),
    ("volume", "series", "serie", "stack", "pile"),
    ("plate", "plaque", "placa", "piastra"),
    ("well", "puits", "pocillo"),
)  # fmt: skip
"""Words for one and the same thing stand together; what comes first holds what comes later: a patient has lesions."""
MAYBE_WORDS = (
    "group", "groupe", "sample", "echantillon", "batch", "lot", "family", "famille", "litter", "portee", "cage", "site",
    "centre", "center", "hospital", "hopital", "experiment", "experience", "culture", "dish", "boite", "acquisition",
    "tier", "fall", "probe", "muestra", "historia", "expediente", "akte", "campione",
)  # fmt: skip
"""What may hold several images of one thing, or hold many patients; it is named, not taken."""
_FILLERS = frozenset(
    (
        "id", "ids", "uid", "uuid", "no", "nr", "nb", "n", "num", "number", "numero", "nummer", "nbr", "code", "key",
        "cle", "name", "nom", "identifier", "identifiant", "identification", "index", "idx", "hash", "pseudo",
        "pseudonym", "pseudonyme", "anon", "anonymized", "anonymised", "anonymise", "anonymous", "instance",
        "de", "du", "des", "d", "la", "le", "l", "les", "of", "the", "del", "der",
        "cod", "codigo", "codice", "clave", "coded", "clinical", "clinique", "clinica", "dicom",
    )
)  # fmt: skip
_MEASURES = frozenset(
    (
        "age", "weight", "height", "size", "area", "bmi", "sex", "year", "date", "time", "birth", "day", "dose",
        "count", "score", "grade", "stage", "zip", "postcode", "poids", "taille", "surface", "annee", "naissance",
        "jour", "alter", "gewicht", "grosse", "groesse", "jahr", "datum", "flache", "plz", "edad", "peso", "talla",
        "fecha",
    )
)  # fmt: skip
"""What is measured of a patient, an animal, a lesion, and is no id of one."""
_HEADS = (
    "patient",
    "patientin",
    "proband",
    "teilnehmer",
    "spender",
    "tier",
    "maus",
    "ratte",
    "probe",
    "praparat",
    "akte",
)
"""Words at the end of German ones: ``Gewebeprobe``."""
_METADATA = re.compile(r"(?:image[\s_]+)?metadata[\s_]+", re.IGNORECASE)
"""How CellProfiler begins the names of all that it has from names of files and folders: ``Metadata_Plate``."""
_RANK = {word: rank for rank, words in enumerate(GROUP_WORDS) for word in words}
_MAYBE = frozenset(MAYBE_WORDS)
_NUMBERED = ("sample", "echantillon", "culture", "acquisition", "dish", "boite")
"""Words that need an id to mean a group."""
_KNOWN = frozenset((*_RANK, *_MAYBE, *_FILLERS))
_SIGNS = re.compile(r"[\s_\-.#°]+")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")


def plain(name: str) -> str:
    """A name without accents and signs, in small letters.

    Example:
        >>> plain("Numéro de Patient")
        'numero de patient'
    """
    return _bare(name).casefold().strip()


def tokens(name: str) -> list[str]:
    """The words and numbers of a name, however they are joined; in small letters, without accents.

    Example:
        >>> tokens("PatientID"), tokens("souris_n°3"), tokens("MRN")
        (['patient', 'id'], ['souris', 'n', '3'], ['mrn'])
    """
    return [part.casefold() for part in _PARTS.findall(_bare(name))]


def column_words(column: str) -> list[str]:
    """`tokens` of a column's name, without what a program puts before each.

    Example:
        >>> column_words("Metadata_Plate"), column_words("Image_Metadata_WellID")
        (['plate'], ['well', 'id'])
    """
    return tokens(_METADATA.sub("", column, count=1) if _METADATA.match(column) else column)


def rank_of(column: str) -> int | None:
    """How much the group that a column names holds: 0 for a patient, more for what a patient has several of; else None.

    Every word of the name has to be one of a group, or say nothing (id, number, of the).

    Example:
        >>> rank_of("Patient ID"), rank_of("lesion_id"), rank_of("numéro de lame"), rank_of("patient_age")
        (0, 5, 6, None)
        >>> rank_of("Metadata_Plate"), rank_of("PID"), rank_of("cod_paciente")
        (8, 0, 0)
    """
    ranks = _ranks(column_words(column))
    return min(ranks) if ranks else None


def maybe_group(column: str) -> bool:
    """Whether a column may say what belongs together, though its word alone does not tell: ``group``, ``Sample ID``."""
    words = [_root(t) for t in column_words(column)]
    return any(w in _MAYBE for w in words) and all(w in _MAYBE or w in _FILLERS or w.isdecimal() for w in words)


def mentions_group(column: str) -> bool:
    """Whether one word of a column's name, or the end of a German one, is of a group, and none is of a measure.

    Such a column is of ids if its cells are.

    Example:
        >>> [mentions_group(c) for c in ("screening_patient", "Gewebeprobe", "patient_weight", "remark")]
        [True, True, False, False]
    """
    words = column_words(column)
    if any(w in _MEASURES for w in words):
        return False
    roots = [_root(w) for w in words]
    return any(w in _RANK or w in _MAYBE for w in roots) or any(w.endswith(_HEADS) for w in roots)


def named_like_group(name: str) -> bool:
    """Whether a folder (or a part of a file's name) is called like one patient, animal, slide …: a word and an id.

    Without an id it is not: ``Tumour`` beside ``Healthy`` and ``mouse`` beside ``human`` are classes.

    Example:
        >>> [named_like_group(n) for n in ("Patient 01", "souris_3", "case-12", "TCGA-02-0001", "3 Patient")]
        [True, True, True, True, True]
        >>> [named_like_group(n) for n in ("Tumour", "case", "Grade 3", "patients", "control 1")]
        [False, False, False, False, False]
    """
    return folder_rank(name) is not None


@lru_cache(maxsize=65536)
def folder_rank(name: str) -> int | None:
    """`rank_of` for the name of one group: ``Patient 01``; None for any other name.

    Example:
        >>> folder_rank("Patient 01"), folder_rank("lame n° 7"), folder_rank("lame")
        (0, 6, None)
    """
    if TCGA.match(name):
        return 0
    chunks = [c for c in _SIGNS.split(name) if c]
    parts = [t for c in chunks for t in _split_word(c)]
    words = [p for i, p in enumerate(parts) if p not in _FILLERS or (len(p) == 1 and i == len(parts) - 1)]
    for i, word in enumerate(words):
        rank = _RANK.get(_root(word), len(GROUP_WORDS) if _root(word) in _NUMBERED else None)
        if rank is not None and (
            (i == 0 and any(map(_is_id, words[1:2])))
            or (i == len(words) - 1 > 0 and all(map(str.isdecimal, words[:i])))
        ):
            return rank
    return None


TCGA = re.compile(r"(TCGA[-_][A-Z0-9]{2}[-_][A-Z0-9]{4})(?![A-Za-z0-9])")
"""The part of a barcode of The Cancer Genome Atlas that names the patient."""


_LETTERS = str.maketrans({"æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "ss", "đ": "d", "ı": "i"})
"""Letters that are more than one with an accent."""


def _bare(name: str) -> str:
    """A name without accents."""
    joined = re.sub("Œ(?=[a-z])", "Oe", name).replace("Œ", "OE").replace("œ", "oe").translate(_LETTERS)
    return "".join(c for c in unicodedata.normalize("NFKD", joined) if not unicodedata.combining(c))


def _ranks(parts: list[str]) -> list[int]:
    """The rank of each word of a group; empty if there is none, or another word beside."""
    ranks = []
    for part in parts:
        word = _root(part)
        if word in _RANK:
            ranks.append(_RANK[word])
        elif not (part in _FILLERS or part.isdecimal()):
            return []
    return ranks


def _root(word: str) -> str:
    """A word without plural, and without an ``id`` that is grown to it: ``patientid``, ``idpatient``, ``slides``."""
    for candidate in (word, word.removesuffix("s")):
        if candidate in _RANK or candidate in _MAYBE or candidate in _FILLERS:
            return candidate
    for filler in ("id", "ids", "no", "nr", "num", "number", "numero", "nummer", "code", "uid", "name"):
        for inner in (word.removesuffix(filler), word.removeprefix(filler)):
            if inner != word and len(inner) > 2 and (inner in _RANK or inner in _MAYBE):
                return inner
    return word


def _split_word(chunk: str) -> list[str]:
    """``patient12`` as its word and its id; ``OAS30001`` in one."""
    pieces = tokens(chunk)
    return pieces if pieces and _root(pieces[0]) in _KNOWN else [plain(chunk)]


def _is_id(part: str) -> bool:
    """Something with a number in it, or a single letter."""
    return any(map(str.isdecimal, part)) or len(part) == 1
