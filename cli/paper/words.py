"""What stands on a ticket besides the organiser's own words, in the languages of the screen."""

from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """A language tickets are printed in."""

    EN = "en"
    DE = "de"
    FR = "fr"
    ES = "es"


@dataclass(frozen=True, slots=True)
class Words:
    """The phrases of one language."""

    show: str
    typed: str
    number: str
    entries: str
    any_number: str
    valid: str
    valid_from: str
    valid_until: str


WORDS = {
    Language.EN: Words(
        "Show this code at the entrance, on paper or on a bright screen",
        "If it cannot be read, the steward types:",
        "No.",
        "{} entries",
        "any number of entries",
        "valid {} to {}",
        "valid from {}",
        "valid until {}",
    ),
    Language.DE: Words(
        "Diesen Code am Eingang zeigen, auf Papier oder hellem Bildschirm",
        "Wenn er nicht lesbar ist, tippt das Personal:",
        "Nr.",
        "{} Eintritte",
        "beliebig viele Eintritte",
        "gültig {} bis {}",
        "gültig ab {}",
        "gültig bis {}",
    ),
    Language.FR: Words(
        "Montrez ce code à l’entrée, sur papier ou écran lumineux",
        "S’il est illisible, le personnel saisit :",
        "N°",
        "{} entrées",
        "entrées illimitées",
        "valable du {} au {}",
        "valable à partir du {}",
        "valable jusqu’au {}",
    ),
    Language.ES: Words(
        "Muestre este código en la entrada, en papel o con la pantalla brillante",
        "Si no se puede leer, el personal escribe:",
        "N.º",
        "{} entradas",
        "entradas ilimitadas",
        "válido del {} al {}",
        "válido desde {}",
        "válido hasta {}",
    ),
}
"""Every language has every phrase; `{}` stands for numbers and times."""
