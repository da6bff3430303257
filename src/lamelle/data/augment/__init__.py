"""Augmentation of whole batches on the compute device: sample, then apply.

``parameters.sample`` draws the parameters of each position of the epoch from that position's own generator;
``apply.apply`` uses them. What is done to an image, in this order:

1. geometry, in one resampling of image and target (``warp``): elastic, shift, zoom, shear, rotate, quarter turn, flip;
2. intensity, of the image only, a row of the table in ``changes`` each: inversion, gamma, contrast, … noise.

A ``policy`` draws a few more of these for each position; its geometry comes last, in the same resampling.
The result for one position does not depend on the others of its batch. ``mixing.mix`` then mixes whole batches.
"""
