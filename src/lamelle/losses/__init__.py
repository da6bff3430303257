"""Losses: pure functions (output, target, *, weights) → float32 scalar, and one `table` of them with a class for each.

- output: logits [N, K, ...]; K = 1 means one foreground against background (sigmoid).
- target: int64 [N, ...] of classes, 0 and 1 where K = 1; or float, shaped like the output: a probability for each
  channel (multi-label, mixed). ``IGNORE`` marks what contributes nothing: neither to the loss nor to its gradient.
- weights: [K] of the classes, or (w−, w+) where K = 1; None = all alike.

Everything is computed in float32 whatever the output's precision (float64 stays). A batch in which all is ignored has
loss 0, gradient 0. Further keyword arguments have the values of the method's publication.

`entropy` and `borders` average over pixels, `overlap` and `centrelines` compare regions: these sum over the batch, so
that one image without the class does not swing the loss.
"""
