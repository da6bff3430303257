"""Synthetic specimens with exact truth, reproducible by their seed: tissue in the electron microscope, nuclei,
histology and chest X-rays. None shows a real patient, animal or cell."""

from lamelle.specimens.em import make_em
from lamelle.specimens.nuclei import make_nuclei
from lamelle.specimens.specimen import Specimen
from lamelle.specimens.thorax import make_thorax
from lamelle.specimens.tissue import make_tissue
from lamelle.specimens.write import DEMOS, write_demo

__all__ = ["DEMOS", "Specimen", "make_em", "make_nuclei", "make_thorax", "make_tissue", "write_demo"]
