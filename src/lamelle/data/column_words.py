"""The words by which columns of tables say what they hold, in four languages."""

from __future__ import annotations

from lamelle.data.groups.words import column_words, tokens

IMAGE_COLUMNS = (
    "image", "images", "img", "path", "file", "filename", "file_name", "image_path", "img_path", "filepath",
    "file_path", "image_name", "image_file", "image_id", "fichier", "nom_fichier", "nom_du_fichier", "nom_de_fichier",
    "nom_image", "nom_de_l_image", "chemin", "datei", "dateiname", "bild", "bildname", "pfad", "archivo",
    "nombre_archivo", "nombre_de_archivo", "imagen", "ruta", "name", "nom", "nombre", "id",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "class", "classes", "class_name", "target", "category", "diagnosis", "dx", "etiquette",
    "etiquettes", "classe", "diagnostic", "categorie", "klasse", "klassen", "diagnose", "kategorie", "befund",
    "etiqueta", "etiquetas", "clase", "diagnostico", "categoria",
)  # fmt: skip
FINDING_COLUMNS = (
    "finding_label", "finding_labels", "finding", "findings", "disease", "pathology", "maladie", "pathologie",
    "krankheit", "erkrankung", "enfermedad", "hallazgo", "patologia",
)  # fmt: skip
"""Words of columns that label images unless something else does: masks beside them, or a column of the words above."""
_MAYBE_LABEL = (
    "outcome", "result", "results", "grade", "stage", "status", "type", "subtype", "phenotype", "genotype", "condition",
    "treatment", "histology", "tissue", "cell_type", "tumor_type", "tumour_type", "ground_truth", "gt", "truth", "y",
    "verdict", "malignancy", "severity", "score", "birads", "bi_rads", "gleason",
    "resultat", "stade", "statut", "traitement", "histologie", "tissu",
    "type_cellulaire", "verite", "ergebnis", "stadium", "typ", "behandlung", "gewebe", "zelltyp", "resultado",
    "estadio", "grado", "tipo", "tratamiento", "tejido",
)  # fmt: skip
"""Words of columns that may say what images are of."""
_FACTS = frozenset(
    (
        "male", "female", "man", "woman", "sex", "gender", "smoker", "smoking", "diabetic", "diabetes", "hypertension",
        "hypertensive", "alcohol", "pregnant", "deceased", "dead", "alive", "death", "married", "obese", "obesity",
        "laterality", "lateralite", "lateralidad", "seite", "view",
        "inpatient", "outpatient", "icu", "frontal", "lateral", "portable", "supine", "contrast", "augmented",
        "homme", "femme", "masculin", "feminin", "sexe", "fumeur", "fumeuse", "tabac", "tabagisme", "diabetique",
        "diabete", "hta", "alcool", "enceinte", "decede", "decedee", "deces", "vivant", "obesite",
        "mannlich", "weiblich", "mann", "frau", "geschlecht", "raucher", "raucherin", "diabetiker", "schwanger",
        "verstorben", "hombre", "mujer", "sexo", "fumador", "fumadora", "diabetico", "embarazada", "fallecido",
    )
)  # fmt: skip
"""What is known of a patient, or of how a picture was taken."""
_ABOUT = frozenset(("is", "has", "est", "ist", "es", "yes", "no", "y", "n", "flag", "patient", "current", "history"))


def plain(column: str) -> str:
    """The words of a column's name, joined by ``_``: ``nom_du_fichier``."""
    return "_".join(column_words(column))


def names_class(column: str) -> bool:
    """Whether a column may be called after what images are of, though its word alone does not tell: ``Outcome``."""
    return plain(column) in _MAYBE_LABEL


def states_fact(column: str) -> bool:
    """Whether a column states a fact about a patient or a picture, which an image does not show: ``is_smoker``.

    Example:
        >>> [states_fact(c) for c in ("Male", "is_smoker", "diabetic retinopathy", "edema")]
        [True, True, False, False]
    """
    words = [w for w in tokens(column) if w not in _ABOUT]
    return bool(words) and all(w in _FACTS for w in words)


def names_label(column: str) -> bool:
    """Whether a column is called after what images are of: ``Étiquette``, ``Class name``."""
    return plain(column) in (*LABEL_COLUMNS, *FINDING_COLUMNS)
