"""Every number that a rule compares with, and why it is that number. Nothing else in the doctor is a bare number."""

# overfitting: the held-out loss has turned and climbed while the training loss went on falling
OVERFIT_RISE = 0.05  # of the lowest held-out loss: evaluations of healthy trainings move by 1 to 3% between two
OVERFIT_GAP = (
    0.25  # of the held-out loss, by which the training loss is below it: dropout alone makes it smaller, not so
)
OVERFIT_EVALUATIONS = 3  # beyond the lowest one: two may be chance
