"""Every number that a rule compares with, and why it is that number. Nothing else in the doctor is a bare number."""

# overfitting: the held-out loss has turned and climbed while the training loss went on falling. Both are compared with
# themselves, so that dropout and label smoothing, which raise the training loss alone, do not matter.
OVERFIT_RISE = 0.05  # of the lowest held-out loss: evaluations of healthy trainings move by 1 to 3% between two
OVERFIT_SCALE = 0.01  # of the first training loss, by which it must rise at least: of a loss of 0.04, 5% are noise
OVERFIT_EVALUATIONS = 3  # beyond the lowest one: two may be chance
OVERFIT_GAP = 0.2  # of the held-out loss, if both were measured alike: healthy 0 to 0.1, or small beside the guess
OVERFIT_GUESS = (
    0.03  # of the loss of guessing, by which the two then differ: digits 0.02 to 0.04, healthy; sick over 0.3
)
OVERFIT_NOTHING = 0.01  # of the held-out loss, below which the training loss is next to nothing: digits 0.05, sick 0
OVERFIT_MUCH = 0.05  # of the loss of guessing, from which a held-out loss is worth curing: healthy digits 0.02 to 0.04

# memorization: training examples that are known far better than held-out ones of their kind
MEMORIZED_KNOWN = 0.1  # of the loss of guessing, below which an example counts as known by heart or well
MEMORIZED_GAP = 0.25  # of the loss of guessing, by which its held-out peers are worse: healthy 0.00 to 0.05, sick 0.5
MEMORIZED_SHARE = 0.25  # of the training examples, beyond that of held-out ones known as well: healthy 0.0 to 0.05
MEMORIZED_NAMED = 50  # lines, the best known first

# underfitting: what needs no training does better, on both sides
UNDERFIT_WORSE = 0.25  # of the loss of guessing, by which a reference is better: sick 0.7, shortest healthy one 0.17
UNDERFIT_GUESS = 0.9  # of the loss of guessing: who is no better than that has learned the frequencies alone
UNDERFIT_FALLING = 0.02  # by which the loss fell in the last fifth of the training: longer training is the first cure
SURELY = 4.0  # standard errors between two means, which chance exceeds once in 30,000 times

# too little data: the learning curve still falls
CURVE_GAIN = 0.1  # by which the loss fell when the data was doubled: evaluations of one training differ by 1 to 3%

# class imbalance: counts, and what became of the rare class
RARE_RATIO = 10.0  # of the most frequent class to it: below, training sees enough of either
RARE_FOUND = 0.5  # of its held-out examples, that are found at least when all is well: sick 0.0 to 0.3
RARE_SEEN = 3  # held-out examples of it, without which nothing can be said

# label noise: examples that all others say are of another class
NOISE_SHARE = 0.05  # of the training examples: clean tables and images 0.00 to 0.01, 20% flipped 0.15 to 0.19
NOISE_AGREED = 0.5  # of them, on which the network agrees, though it was told otherwise: sick 0.9
NOISE_BEHIND = 0.05  # by which the reference may be less often right than the network and still be a witness
MISMATCHED_SHARE = 0.05  # of the pairs, that are no likelier than others: clean 0.00, 19% exchanged 0.17
OUTLYING_SHARE = 0.01  # of the rows, more than 6 robust deviations away: normal errors 2 in a billion

# leakage
TWINS = 2  # held-out examples that stand in training too: one may be chance
TWIN_SHARE = 0.01  # of the held-out examples; our own splits leave none
SEEN_BEFORE = 0.1  # of sequences of 8 words of the held-out text: Shakespeare's works 0.01 and less

# held-out examples are of another kind
SHIFT_ERRORS = 6.0  # standard errors: of 1,000 inputs the furthest is off by 4; our own splits 2.4
SHIFT_SIZE = 0.5  # standard deviations: where there are many examples, small shifts are certain and harmless

# inputs and targets do not belong together; the network does not use its inputs
UNRELATED_ERRORS = 2.0  # standard errors that a reference is better than guessing: healthy 5 and more
UNUSED_ERRORS = 3.0  # standard errors that the right inputs are better than others': healthy 4 to 50, sick 0 to 1.5
UNUSED_STILL = 1e-5  # of the loss of guessing, by which other inputs change nothing: rounding changes 1e-7
UNUSED_LEARNED = 0.1  # of the loss of guessing, by which training is better than it: else nothing is learned yet
UNRELATED_SEEN = 20  # held-out examples, without which nothing can be said

# training mode and evaluation mode
MODE_NEARER = 0.4  # of the way from one mode's loss to the other's: the right one is at 0 or 1 within 0.25
MODE_OFF = 0.02  # of the held-out loss that was noted: measured again in evaluation mode it is the same to 5 digits
MODE_ERRORS = 4.0  # standard errors that the two modes must differ, so that one can be told from the other

# padding
PADDING_CHANGE = 1e-3  # of the loss, by more padding: rounding changes 1e-6, counting it 0.1 and more
PADDING_LEARNED = 3.0  # times likelier than chance behind the end: healthy 0.01 to 0.5, sick 9 and more
