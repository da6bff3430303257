"""Words of columns that state a fact of a patient or of a picture, and are no ids: age, sex, view, width, score."""

from __future__ import annotations

SEX = frozenset(
    (
        "sex", "gender", "sexe", "genre", "geschlecht", "sexo", "genero", "sesso", "genere", "geslacht", "kon", "kjonn",
        "plec", "pohlavi", "cinsiyet", "sukupuoli", "nem", "male", "female", "is_male", "mf",
    )
)  # fmt: skip
"""What one patient has one of for life, and patients of one age, town or scanner do not share."""
BIRTH = frozenset(
    (
        "dob", "birth", "birthdate", "birthday", "born", "naissance", "ddn", "nele", "geburtsdatum", "geburt",
        "geburtstag", "gebdat", "geb", "nacimiento", "nacido", "nascita", "nascimento", "geboortedatum", "urodzenia",
        "fodselsdato",
    )
)  # fmt: skip
BODY = frozenset(
    (
        "age", "ages", "weight", "bmi", "poids", "alter", "lebensalter", "gewicht", "edad", "peso", "eta", "idade",
        "leeftijd", "alder", "vek", "wiek", "yas", "ika", "years", "yrs",
    )
)  # fmt: skip
"""What is measured of a patient, and is about the same in all of the pictures."""
MEASURES = SEX | BODY | BIRTH | frozenset(
    (
        "height", "taille", "grosse", "groesse", "korpergrosse", "talla", "altura", "altezza", "lengte",
        "size", "area", "year", "date", "time", "day", "month", "week", "hour", "dose", "count", "score", "grade",
        "stage", "zip", "postcode", "surface", "annee", "jour", "mois", "jahr", "datum", "monat", "tag", "flache",
        "plz", "fecha", "ano", "anno", "jaar", "rok", "timepoint", "duration", "dauer", "duree", "timestamp",
        "total", "sum", "mean", "median", "std", "percent", "percentage", "pct", "ratio",
        "rate", "level", "niveau", "probability", "prob", "confidence", "punkte", "punktzahl",
        "points", "puntuacion", "cells", "cellcount", "tnm", "gleason", "birads",
        "x", "y", "z", "row", "col", "column", "left", "right", "top", "bottom", "xmin", "xmax", "ymin", "ymax", "x1",
        "x2", "y1", "y2", "w", "h", "width", "length", "depth", "largeur", "hauteur", "longueur", "profondeur",
        "breite", "hohe", "hoehe", "lange", "tiefe", "ancho", "alto", "largo", "bbox", "box", "pixel", "pixels",
        "resolution", "spacing", "thickness", "dpi", "bytes", "filesize", "slice", "slices", "coupe", "schnitt",
        "schicht", "corte", "frame", "tile", "patch", "page", "plane", "fov", "field", "follow", "followup",
        "exposure", "kvp", "kv", "mas", "gain", "iso", "intensity", "brightness", "contrast", "magnification",
        "vergrosserung", "grossissement", "zoom", "objective", "wavelength", "channel", "canal", "kanal",
        "concentration", "dilution", "passage", "pressure", "temperature", "value", "wert", "valeur", "valor", "price",
        "smoking", "packyears", "pack",
    )
)  # fmt: skip
"""What is measured or counted, of a patient, a lesion or a picture."""
KINDS = frozenset(
    (
        "view", "position", "side", "laterality", "seite", "cote", "lado", "localization", "localisation", "location",
        "lokalisation", "localizacion", "organ", "organe", "region", "bodypart", "body", "part", "anatomy", "anatom",
        "type", "typ", "tipo", "kind", "category", "subtype", "modality", "sequence", "protocol", "protokoll",
        "protocole", "protocolo", "manufacturer", "hersteller", "fabricant", "model", "modele", "modell", "scanner",
        "device", "gerat", "appareil", "machine", "camera", "microscope", "software", "version", "stain", "staining",
        "farbung", "coloration", "tincion", "country", "pays", "land", "pais", "city", "ville", "stadt", "ort",
        "ciudad", "race", "ethnicity", "ethnie", "comment", "comments", "commentaire", "kommentar", "comentario",
        "remark", "remarks", "bemerkung", "remarque", "description", "beschreibung", "notes", "quality", "qualitat",
        "qualite", "calidad", "annotator", "annotateur", "rater", "reader", "grader", "observer", "radiologist",
        "radiologue", "operator", "operateur", "physician", "arzt", "medecin", "license", "source", "finding",
        "findings", "label", "labels", "dx", "diagnosis", "diagnostic", "diagnose", "icd", "class", "status", "url",
        "format", "extension", "mimetype", "split", "fold", "partition", "colour", "color", "shape",
        "compound", "drug", "gene", "treatment", "condition", "antibody", "marker", "genotype", "strain",
    )
)  # fmt: skip
"""What many patients have in common."""
