"""The doctor: what is wrong with a training, how one sees it, and what cures it.

chart.py         what a run's metrics say, as series
examination.py   what only the model and the data together can say
rules/           one illness a function: chart in, findings out
thresholds.py    every number that a rule compares with, and why it is that number
finding.py       an illness with its evidence, how sure it is, and its cures
diagnose.py      all rules on one run
words/           the sentences, in English and Chinese
"""

from pellucid.train.diagnosis.diagnose import diagnose, findings_of
from pellucid.train.diagnosis.finding import Cure, Finding

__all__ = ["Cure", "Finding", "diagnose", "findings_of"]
