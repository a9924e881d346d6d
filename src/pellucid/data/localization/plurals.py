"""The plurals of each language: the categories that CLDR gives it, and the Plural-Forms that its catalogs use.

Where GNU gettext has a rule of its own for a language it is that one; for the others CLDR's, as catalogs write it.
Sources: Unicode CLDR, "Language Plural Rules"; GNU gettext manual, "Additional functions for plural forms".
"""

from pellucid.data.languages import known_language
from pellucid.data.localization.plural_forms import PluralForms

CATEGORIES = ("zero", "one", "two", "few", "many", "other")  # in the order of CLDR and of Android's lint

NONE = "0"
NOT_ONE = "n != 1"
ABOVE_ONE = "n > 1"
EASTERN_SLAVIC = "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"
WESTERN_SLAVIC = "n==1 ? 0 : n>=2 && n<=4 ? 1 : 2"
GETTEXT = {
    NONE: (1, "id ja ko ms th vi zh"),
    NOT_ONE: (2, "bg ca da de el en eo es et eu fi gl he hu it ka kk la mr nb nl nn no pt sq sv sw ta te tr ur"),
    ABOVE_ONE: (2, "bn fa fr hi"),
    "n%10!=1 || n%100==11": (2, "is mk"),
    EASTERN_SLAVIC: (3, "hr ru sr uk"),
    WESTERN_SLAVIC: (3, "cs sk"),
    "n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2": (3, "pl"),
    "n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2": (3, "lt"),
    "n%10==1 && n%100!=11 ? 0 : n!=0 ? 1 : 2": (3, "lv"),
    "n==1 ? 0 : n==0 || (n%100>0 && n%100<20) ? 1 : 2": (3, "ro"),
    "n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3": (4, "sl"),
    "n==1 ? 0 : n==2 ? 1 : n>=3 && n<=6 ? 2 : n>=7 && n<=10 ? 3 : 4": (5, "ga"),
    "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5": (6, "ar"),
}
OF_LANGUAGE = {code: PluralForms(count, rule) for rule, (count, codes) in GETTEXT.items() for code in codes.split()}

CLDR = {
    "other": "id ja ko la ms th vi zh",
    "one other": "bg bn da de el en eo et eu fa fi gl hi hu is ka kk mk mr nb nl nn no sq sv sw ta te tr ur",
    "one many other": "ca es fr it pt",
    "one two other": "he",
    "one few other": "hr ro sr",
    "one few many other": "cs lt pl ru sk uk",
    "zero one other": "lv",
    "one two few other": "sl",
    "one two few many other": "ga",
    "zero one two few many other": "ar",
}
CATEGORIES_OF = {code: tuple(names.split()) for names, codes in CLDR.items() for code in codes.split()}
# Languages whose category `one` holds other numbers besides 1, such as 0 or 21: its text must say the number.
ONE_IS_MORE_THAN_ONE = frozenset(["bn", "fa", "fr", "hi", "hr", "is", "lt", "lv", "mk", "pt", "ru", "sl", "sr", "uk"])


def gettext_plurals(locale: str | None) -> PluralForms | None:
    """The Plural-Forms that catalogs of a language have; None if it is not known."""
    if locale == "pt_BR":
        return PluralForms(2, ABOVE_ONE)
    known = known_language(locale or "")
    return OF_LANGUAGE.get(known.code) if known else None


def categories(language: str | None) -> tuple[str, ...]:
    """The plural categories of a language, in CLDR's order; one and other if it is not known."""
    return CATEGORIES_OF.get(language or "", ("one", "other"))
