"""What an attendee reads, in four languages: short, plain, nothing personal."""

from admission.verdict import Reason

Words = tuple[str, str]
"""The word in huge type, and the line below it."""

LANGUAGES = ("de", "en", "fr", "es")

FACES: dict[str, dict[str, Words]] = {
    "en": {
        "idle": ("Show your ticket", "Hold the code in front of the camera"),
        "idle_exit": ("Exit", "Show your ticket to leave"),
        "hold_still": ("Hold still", "Keep the card on the reader"),
        "no_ticket": ("No ticket", "There is no ticket on this card"),
        "checking": ("One moment", "Your ticket is being checked"),
        "admitted": ("Welcome", "Please go through"),
        "goodbye": ("Goodbye", "Please go through"),
        "valid": ("Ticket valid", "Please follow the steward"),
        "refused": ("Not valid", "Please see the steward"),
        "waiting": ("One moment", "Please wait"),
        "closed": ("Lane closed", "Please use another lane"),
        "free_flow": ("Walk through", "Hold your ticket to the camera as you pass"),
        "evacuation": ("Leave now", "The way out is open. Walk, do not run."),
        "down": ("Please wait", "Please see the steward"),
    },
    "de": {
        "idle": ("Ticket zeigen", "Bitte den Code vor die Kamera halten"),
        "idle_exit": ("Ausgang", "Bitte beim Gehen das Ticket zeigen"),
        "hold_still": ("Stillhalten", "Karte an den Leser halten"),
        "no_ticket": ("Kein Ticket", "Auf dieser Karte ist kein Ticket"),
        "checking": ("Einen Moment", "Ihr Ticket wird geprüft"),
        "admitted": ("Willkommen", "Bitte durchgehen"),
        "goodbye": ("Auf Wiedersehen", "Bitte durchgehen"),
        "valid": ("Ticket gültig", "Bitte an das Personal wenden"),
        "refused": ("Nicht gültig", "Bitte an das Personal wenden"),
        "waiting": ("Einen Moment", "Bitte warten"),
        "closed": ("Geschlossen", "Bitte einen anderen Durchgang nehmen"),
        "free_flow": ("Bitte durchgehen", "Ticket im Gehen vor die Kamera halten"),
        "evacuation": ("Gelände verlassen", "Der Ausgang ist offen. Gehen, nicht rennen."),
        "down": ("Bitte warten", "Bitte an das Personal wenden"),
    },
    "fr": {
        "idle": ("Montrez votre billet", "Le code devant la caméra"),
        "idle_exit": ("Sortie", "Présentez votre billet pour sortir"),
        "hold_still": ("Ne bougez pas", "Gardez la carte sur le lecteur"),
        "no_ticket": ("Pas de billet", "Il n'y a pas de billet sur cette carte"),
        "checking": ("Un instant", "Vérification de votre billet"),
        "admitted": ("Bienvenue", "Vous pouvez passer"),
        "goodbye": ("Au revoir", "Vous pouvez passer"),
        "valid": ("Billet valable", "Adressez-vous au personnel"),
        "refused": ("Non valable", "Adressez-vous au personnel"),
        "waiting": ("Un instant", "Veuillez patienter"),
        "closed": ("Passage fermé", "Utilisez un autre passage"),
        "free_flow": ("Passez", "Présentez votre billet en passant"),
        "evacuation": ("Sortez", "La sortie est ouverte. Marchez, ne courez pas."),
        "down": ("Patientez", "Adressez-vous au personnel"),
    },
    "es": {
        "idle": ("Muestre su entrada", "El código frente a la cámara"),
        "idle_exit": ("Salida", "Muestre su entrada para salir"),
        "hold_still": ("No la mueva", "Mantenga la tarjeta en el lector"),
        "no_ticket": ("Sin entrada", "No hay entrada en esta tarjeta"),
        "checking": ("Un momento", "Comprobando su entrada"),
        "admitted": ("Bienvenidos", "Puede pasar"),
        "goodbye": ("Hasta luego", "Puede pasar"),
        "valid": ("Entrada válida", "Diríjase al personal"),
        "refused": ("No válida", "Diríjase al personal"),
        "waiting": ("Un momento", "Espere, por favor"),
        "closed": ("Paso cerrado", "Use otro paso, por favor"),
        "free_flow": ("Pase", "Muestre su entrada al pasar"),
        "evacuation": ("Salgan ya", "La salida está abierta. Caminen, no corran."),
        "down": ("Espere", "Diríjase al personal"),
    },
}

_AGAIN = ("Show again", "Noch einmal", "Encore une fois", "Otra vez")
_INVALID = ("Not valid", "Nicht gültig", "Non valable", "No válida")
_OTHER_EVENT = ("Other event", "Andere Veranstaltung", "Autre événement", "Otro evento")
_USED = ("Already used", "Schon benutzt", "Déjà utilisé", "Ya usada")
_ELSEWHERE = ("Other entrance", "Anderer Eingang", "Autre entrée", "Otro acceso")
_HELP = ("One question", "Eine Frage", "Une question", "Una pregunta")
_NEWER = ("Old code", "Alter Code", "Code ancien", "Código antiguo")

_SHORT: dict[Reason, tuple[str, str, str, str]] = {
    Reason.OUT_OF_SERVICE: ("Lane closed", "Geschlossen", "Passage fermé", "Paso cerrado"),
    Reason.UNREADABLE: _AGAIN,
    Reason.FORGED: _INVALID,
    Reason.WRONG_EVENT: _OTHER_EVENT,
    Reason.REVOKED: _NEWER,
    Reason.STALE_CODE: _NEWER,
    Reason.REPLAYED: _USED,
    Reason.CLOCK_UNTRUSTED: _HELP,
    Reason.LIST_TOO_OLD: _HELP,
    Reason.UNKNOWN: ("Not found", "Nicht gefunden", "Introuvable", "No encontrada"),
    Reason.AMBIGUOUS: _HELP,
    Reason.CANCELLED: ("Cancelled", "Storniert", "Annulé", "Anulada"),
    Reason.BLOCKED: _INVALID,
    Reason.UNAPPROVED: _HELP,
    Reason.TOO_EARLY: ("Too early", "Zu früh", "Trop tôt", "Muy pronto"),
    Reason.TOO_LATE: ("Expired", "Abgelaufen", "Expiré", "Caducada"),
    Reason.WRONG_LIST: _ELSEWHERE,
    Reason.WRONG_GATE: _ELSEWHERE,
    Reason.UNPAID: ("Not paid", "Nicht bezahlt", "Non payé", "Sin pagar"),
    Reason.RULES: _HELP,
    Reason.NEEDS_ANSWERS: _HELP,
    Reason.NEEDS_MEDIUM: _HELP,
    Reason.ALREADY_EXCHANGED: _HELP,
    Reason.ALREADY_REDEEMED: _USED,
    Reason.ALREADY_INSIDE: _USED,
    Reason.TAKEN_ELSEWHERE: _USED,
    Reason.FULL: ("Full", "Voll", "Complet", "Completo"),
}

LOST: dict[str, str] = {
    "en": "This screen has lost its gate. It reconnects by itself.",
    "de": "Keine Verbindung zum Gate. Der Bildschirm verbindet sich selbst neu.",
    "fr": "Liaison perdue. L'écran se reconnecte tout seul.",
    "es": "Conexión perdida. La pantalla se reconecta sola.",
}
SOUND: dict[str, str] = {
    "en": "Turn sound on",
    "de": "Ton einschalten",
    "fr": "Activer le son",
    "es": "Activar el sonido",
}


def words(face: str, reason: str, language: str) -> Words:
    """The two lines of a face; a refusal's word is its reason, where it is known.

    Args:
        face: A value of `screen.faces.Face`.
        reason: A value of `Reason`, or anything else for the general word.
        language: One of `LANGUAGES`.
    """
    word, hint = FACES[language][face]
    if face == "refused" and reason in set(Reason):
        return _SHORT[Reason(reason)][("en", "de", "fr", "es").index(language)], hint
    return word, hint
