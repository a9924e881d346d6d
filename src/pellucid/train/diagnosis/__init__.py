"""The doctor: what is wrong with a training, how one sees it, and what cures it.

chart.py         what a run's metrics say, as series
examination.py   what only the model and the data together can say
learning_curve.py  what shares of the data lead to, on request
references.py    what can be said of held-out examples without a network
through_time.py  recurrent layers, looked at over time
labels.py        examples whose target does not look like their own
twins.py         examples that stand on two sides
origins.py       which examples a step was made of, and where they stood
rules/           one illness a function: chart in, findings out
thresholds.py    every number that a rule compares with, and why it is that number
finding.py       an illness with its evidence, how sure it is, and its cures
diagnose.py      all rules on one run
words/           the sentences, in English and Chinese
"""

from pellucid.train.diagnosis.diagnose import diagnose, diagnose_fully, findings_of
from pellucid.train.diagnosis.finding import Cure, Finding

__all__ = ["Cure", "Finding", "diagnose", "diagnose_fully", "findings_of"]
