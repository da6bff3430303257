"""Synthetic specimens with exact truth, reproducible by their seed: tissue in the electron microscope, nuclei,
histology and chest X-rays. None shows a real patient, animal or cell."""

from lamelle.demo.em import make_em
from lamelle.demo.nuclei import make_nuclei
from lamelle.demo.specimen import Specimen
from lamelle.demo.thorax import make_thorax
from lamelle.demo.tissue import make_tissue
from lamelle.demo.write import DEMOS, write_demo

__all__ = ["DEMOS", "Specimen", "make_em", "make_nuclei", "make_thorax", "make_tissue", "write_demo"]
