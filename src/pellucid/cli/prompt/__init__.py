"""The prompt of `pellucid translate`: texts are typed, translations looked at.

worker.py    opens the model and translates, while the prompt is already there
desk.py      what lies before the person: texts, their translations, what is chosen of them
view.py      the desk as lines of a terminal
keys.py      what each key does with the desk
history.py   what was typed before
session.py   all of it together
"""
