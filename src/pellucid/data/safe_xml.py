"""XML from anywhere: what is not well-formed, or defines entities that could do harm, is refused with a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from pellucid.errors import DataError


@contextmanager
def refused_if_harmful(path: Path) -> Iterator[None]:
    """What defusedxml raises while a file is parsed becomes a DataError that names the file, and the place if known."""
    try:
        yield
    except ParseError as error:
        line, column = error.position
        raise DataError(
            f"{path}, line {line}, column {column + 1}: not well-formed XML ({str(error).split(':')[0]})",
            mend="`xmllint --noout FILE` shows the place.",
        ) from None
    except DefusedXmlException as error:
        raise DataError(
            f"{path}: refused, because it defines entities that could do harm ({type(error).__name__})",
            mend="Take the DOCTYPE out of the file, and write what its entities stand for in their places.",
        ) from None
