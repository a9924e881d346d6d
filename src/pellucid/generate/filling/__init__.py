"""A localization file's untranslated entries become proposals that a person reviews: from memory, then from the model.

plan.py decides what each entry needs, fill.py carries it out chunk by chunk, journal.py keeps what is done, and
summary.py and review.py tell what came of it. Nothing here prints, and nothing knows which model translates.
"""
