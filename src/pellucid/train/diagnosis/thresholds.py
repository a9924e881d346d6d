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
UNDERFIT_WORSE = 0.4  # of the loss of guessing, by which a reference is better: sick 0.7 to 0.9, healthy 0 to 0.28
UNDERFIT_GUESS = 0.9  # of the loss of guessing: who is no better than that has learned the frequencies alone
UNDERFIT_KNOWN = 0.5  # of the measured training loss: where training has noted less, it has learned, if by heart
UNDERFIT_LEARNING = (
    0.06  # by which the loss fell since the middle: short healthy trainings 0.06 to 0.13, sick 0 to 0.04
)
UNDERFIT_PASSES = (
    30.0  # over the examples, from which a loss that still falls is no excuse: short trainings make 1 to 15
)
UNDERFIT_MISSED = 0.4  # of what a reference knows beyond guessing, that so long a training then lacks: 0.43 where seen
UNDERFIT_LONG = (
    0.2  # of the loss of guessing, that it must be behind as well: a reference that knows little is no measure
)
UNDERFIT_ERRORS = 2.0  # standard errors by which it must have: of single batches under dropout of 0.95 chance makes 10%
UNDERFIT_FALLING = 0.02  # by which the loss fell in the last fifth of the training: longer training is the first cure
# settings that hold a network back so much that less of them is the first cure of underfitting, and what they then
# become: dropout beyond a half leaves less than half of a layer, a penalty of 0.01 w^2 / 2 weighs as much as the loss
HELD_BACK = {"l1": (1e-3, 0.0), "l2": (1e-2, 0.0), "weight_decay": (1.0, 0.01), "noise": (1.0, 0.0)}
HELD_BACK_DROPOUT = (0.6, 0.1)
HELD_BACK_SMOOTHING = (0.5, 0.1)  # half of all certainty given away: no answer can be surer than that
HELD_BACK_WORSE = 0.05  # of the loss of guessing, by which what needs no training is then better: sick 0.09 and 0.18
SURELY = 4.0  # standard errors between two means, which chance exceeds once in 30,000 times

# too little data: the learning curve still falls
CURVE_GAIN = 0.1  # by which the loss fell when the data was doubled: evaluations of one training differ by 1 to 3%

# class imbalance: counts, and what became of the rare class
RARE_RATIO = 10.0  # of the most frequent class to it: below, training sees enough of either
RARE_FOUND = 0.5  # of its held-out examples, that are found at least when all is well: sick 0.0 to 0.3
RARE_SEEN = 3  # held-out examples of it, without which nothing can be said

# label noise: examples that all others say are of another class
NOISE_SHARE = 0.05  # of the training examples: clean tables and images 0.00 to 0.01, 20% flipped 0.15 to 0.19
NOISE_FLOOR = 0.05  # of errors that stay however sure the others are; less is as good as none
# twice the log of a likelihood ratio: of 500 tables of overlapping classes 1% come to 6 or more, none of more than 100
# rows; with 10 and 20% flipped 70 to 100% do, from 200 rows on. Likely where the others tell the classes well
NOISE_LIKELIER, NOISE_LIKELY, NOISE_POSSIBLE = 6.0, 4.0, 2.0
NOISE_EVEN = 0.8  # of the errors everywhere, where the others are surest: overlapping classes 0.0 to 0.65, flipped 0.9
# of the errors of naming the most frequent class: up to here the others tell the classes well; beyond, too little
NOISE_TELLING, NOISE_TOLD = 0.5, 0.7
NOISE_ENOUGH = 150  # examples, of which a third says how often the surest are wrong
NOISE_FEW_SURE = 0.7  # that a finding on fewer is at most
NOISE_AGREED = 0.5  # of them, on which the network agrees, though it was told otherwise: sick 0.9
NOISE_BEHIND = 0.05  # by which the reference may be less often right than the network and still be a witness
MISMATCHED_SHARE = 0.05  # of the pairs, that are hardly likelier than others: clean 0.00, 19% exchanged 0.14
OUTLYING_WEIGHT = 1.0  # of what all squared errors would sum to without them: then half of the loss is theirs
OUTLYING_FAR = 8.0  # deviations, of half of them: what neighbours cannot follow strays by 6 to 7.4, planted ones by 20
OUTLYING_SHARE = 0.01  # of the rows, more than 6 robust deviations away: normal errors 2 in a billion

# leakage
TWINS = 2  # held-out examples that stand in training too: one may be chance
TWIN_SHARE = 0.01  # of the held-out examples; our own splits leave none
SEEN_LINES = (
    0.2  # of the text in lines of 8 words and more: works of literature 0.00 to 0.01, a list of lines that come again 1
)
SEEN_BEFORE = 0.05  # of runs of 24 words of a held-out text: plays and made-up sentences 0.00 to 0.01, copied 0.5

# held-out examples are of another kind
SHIFT_ERRORS = 6.0  # standard errors: of 1,000 inputs the furthest is off by 4; our own splits 2.4
SHIFT_SIZE = 0.5  # standard deviations: where there are many examples, small shifts are certain and harmless

# inputs and targets do not belong together; the network does not use its inputs
EXTREME = 0.02  # of the held-out examples on either side, whose differences count as much as the next one
UNRELATED_ERRORS = 2.0  # standard errors that a reference is better than guessing: healthy 5 and more
UNUSED_ERRORS = 3.0  # standard errors that the right inputs are better than others': healthy 4 to 50, sick 0 to 1.5
UNUSED_STILL = 1e-5  # of the loss of guessing, by which other inputs change nothing: rounding changes 1e-7
UNUSED_LEARNED = 0.1  # of the loss of guessing, by which training is better than it: else nothing is learned yet
UNRELATED_SEEN = 20  # held-out examples, without which nothing can be said
UNRELATED_RARE = 10  # of them not of the most frequent class: naming that is right of all others, whatever is read

# training mode and evaluation mode
MODE_NEARER = 0.4  # of the way from one mode's loss to the other's: the right one is at 0 or 1 within 0.25
MODE_OFF = 0.02  # of the held-out loss that was noted: measured again in evaluation mode it is the same to 5 digits
MODE_BETWEEN = (
    0.1  # of that way, from which it is none of evaluation mode's: the luckiest of 8 looks under dropout 0.15
)
MODE_FLOOR = 1e-3  # of the loss of guessing, below which losses of either mode are rounding: 1e-7 after long trainings
MODE_ERRORS = 4.0  # standard errors that the two modes must differ, so that one can be told from the other

# padding
PADDING_CHANGE = 1e-3  # of the loss, by more padding: rounding changes 1e-6, counting it 0.1 and more
PADDING_LEARNED = 3.0  # times likelier than chance behind the end: healthy 0.01 to 0.5, sick 9 and more

# of all rules of layers: what is found at one look may be chance
FEWEST_LOOKS = (
    2  # at the end in a row, or in all; a training of large steps may have no more than the first and the last
)
TOLD_IN_A_ROW = 2  # evaluations at which something is found before it is said while a training goes on
STILL_SAID_FROM = 0.9  # of the steps done, from which what hangs on the end is said: plateaus have ended at 0.88
SAID_FROM = 0.5  # of the steps done, that a loss stands still or has hardly moved: before that it may be its warm-up

# vanishing gradients: a gradient as a share of its weights, beside the largest of such shares behind it
VANISHED_GRADIENT = 3e-4  # ill: 1e-6 (8 sigmoid layers), 1e-18 (20); healthy at its lowest: 2e-3 (six ReLU layers, the
# first step), 3e-3 (two of sigmoids), 4e-2 (LSTM), 5e-2 (translator)
FEWEST_CHAINED = 2  # blocks after each other
VANISHED_LOOKS = 0.34  # of all looks: three sigmoid layers under Adam are below it at the first look alone, and recover

# exploding gradients
EXPLODED_NORM = 10.0  # times what clipping leaves: healthy trainings are above it at up to 7% of the steps, ill at 95%
EXPLODED_CLIP = 1.0  # at least: who clips at 0.1 shortens healthy gradients, whose norms are 0.1 to 5
EXPLODED_STEPS = 0.5  # of the steps or looks
EXPLODED_GRADIENT = 10.0  # times the weights' own norm, all together: healthy below 3 even at the first step, ill 100

# dead ReLUs: share of a layer's units that are off for all of a batch
DEAD = 0.7  # healthy up to 0.56 (six layers, batches of 32), ill 0.9 to 1
DEAD_RESIDUAL = 0.9  # with a way around, layers do well with fewer: healthy up to 0.75 (20 layers)
DEAD_BY_CHANCE = 0.2  # above what units that are off independently of each other would be, which counts in tiny batches
LEARNED = 0.05  # of the first loss, at which units that died on the way were not needed: digits 0.01; few were seen

# saturated sigmoids and tanhs: share of numbers on the flat part (listening.py says from where)
FLAT = 0.7  # from the start: healthy up to 0.1, ill 0.85 to 0.95 (weights 20 to 60 times as large)
FLAT_LATER = 0.9  # healthy up to 0.3, recurrent layers 0.35, two units that fit a curve 0.8; ill (rate x 1000) 0.99

# saturated attention: share of queries that give one key 99%
ATTENTION_FLAT = 0.5  # from the start: healthy 0 to 0.01, ill 0.65 to 1
ATTENTION_FLAT_LATER = 0.9  # a trained one may be certain: what translates word by word looks at one word
EARLY = 0.25  # of the training: until then nothing is learned that could make it certain

# bad initialization: how different the units of a layer are from each other (spread, 0 to 1)
ALIKE = 0.1  # weights drawn at random have 0.6 to 1, all through a training; equal ones 1e-7, with dropout 0.07

# no warm-up with post-norm
WARMUP_SHARE = 0.01  # of the steps: the paper warms up for 4%, we for 10%
WARMED_UP = 0.9  # of the highest rate is full speed

# learning rate too high or too low: an update's norm as a share of its weights'
HIGH_UPDATE = 0.1  # healthy 1e-3 to 1.5e-2; at 100 times the rate 0.1, and most such trainings still end well
HEALTHY_UPDATE = 3e-3  # what cures aim at
FIRST_UPDATE = (
    0.02  # the first update, had it been at the full rate: healthy 0.006 to 0.03, at 1,000 times the rate 6 up
)
ABOVE_START = 1.5  # times the first loss, smoothed: healthy losses are below the first one
ABOVE_STEPS = 0.05  # of the steps
FEWEST_ABOVE = 2  # evaluations above it: batch norms hide from the training loss how far the weights were thrown
LOW_UPDATE = 8e-4  # mean over the looks, of the layer that moves most: healthy 1.8e-3 and more, ill (rate / 1000) 1e-5
CRAWLING_UPDATE = 4e-5  # however far the loss has fallen: 5e-6 at a millionth's rate over 18,000 steps
LOW_DISTANCE = 0.2  # all updates together; healthy 0.27 and more, ill 1e-3; a quarter of it where the loss has fallen
UNMOVED = 0.01  # of the first loss: a fall that is less is none
FASTER, FASTER_UNMOVED, FASTEST = (
    3.0,
    30.0,
    1e5,
)  # times the rate, at least, where the loss has fallen or not; at most
HIGHEST_RATE = 1.0  # that a cure proposes

# a schedule that ends early
GONE_RATE = 0.01  # of the highest: the cosine ends at 1%, and is below 2% for the last 5% of the steps alone
DROPPED_RATE = 0.2  # of the highest: until then the rate moves the loss; a step of a schedule takes it to 0.1
GONE_STEPS = 0.25  # of the steps
STILL_FALLING = 0.03  # of the loss, over the last quarter of the steps before it dropped

# plateau
LEARNED_LITTLE = 0.1  # of the first loss: ill trainings fall by 0 to 2%, healthy ones by 30% and more
STILL = 0.03  # of the first loss, between the second and the last quarter
FEWEST_STEPS = 10  # from which a loss has a course
CRAMPED_WIDTH = 4  # units of a layer, below which a network stands still because it is too small

# a plateau midway: of the whole fall of the loss, how far its level may move, and what it falls before and behind;
# of the steps, how long it stands still
MIDWAY_LEVEL, FELL, MIDWAY_STEPS = 0.05, 0.2, 0.25

# gradients and gates of recurrent layers, over time
TIME_BACK = 6  # steps, at which a plain layer whose gradient has gone has none: healthy 0.02 to 0.04 of the most
TIME_VANISHED = 1e-3  # of the largest gradient at any time: recurrent weights a tenth as large 1e-5, a third 1e-4
TIME_NEEDED = 1e-2  # where the tokens so far back tell much and nothing of it is learned: 1e-3 to 5e-3; gated 0.03 to 1
TIME_TELLS = 0.25  # of the nats of an answer, that one token so far back then tells by itself
TIME_WORTH = 0.1  # of them, that it tells at all
TIME_UNLEARNED = 0.5  # of what it tells, that the network has not learned
GATES_FLAT = 0.5  # of the gates: healthy 0.00 to 0.17, weights begun 10 to 40 times too large 0.76 to 0.95

# loss spikes
SPIKE_BEFORE = 3  # steps that a spike has before it: the first losses of a training are high in every one
SPIKE_TIMES = 3.0  # the loss of the steps around: healthy squared losses come to 2.4 (batches of 32)
SPIKE_DEVIATIONS = 10.0  # of those around: healthy losses come to 8.7 where they also are twice the usual
# of the loss at the beginning, that it rises by: a hard batch late in a healthy training has come to 0.54 (one strange
# tumour among 64), a poisoned one to 1.5 and more
SPIKE_FLOOR = 0.8
SPIKE_ITEMS = 16  # of a batch, below which that floor is higher, by the root of what is missing: single digits cost 2.1
SPIKE_LOGARITHMS = 4.0  # deviations of the logarithms: batches of one example come to 2.3, poisoned ones to 10 and more
SPIKE_MOST = 0.34  # of the steps: more is no spike but how the loss is

# padding dominates
PADDED = 0.5  # batches of sentences of like length have 2 to 8%

# a bottleneck at the data
LOADING = 0.5  # of a step; healthy 1 to 12%
LOADING_SECONDS = 0.002  # a step: below that nobody waits

CLIPPED = 0.1  # of the usual gradient: plain descent that is clipped below it takes steps that are as much shorter
GPT_STD = 0.02  # of the first weights of GPT-2 (Radford et al., 2019)
SLOWER = 0.1  # times the rate, at most, where a lower one is proposed
LARGEST = 3.4e38  # of a number in float32; stands for what is beyond it
ENOUGH_FOR_A_NORM = 8  # examples of a batch, over which a batch norm can be taken
