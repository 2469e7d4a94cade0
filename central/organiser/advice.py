"""What to do about what is shown: the words an organiser needs, by the reason."""

_PARKED = (
    (
        "fork",
        "Two journals of one gate say different things: was its card copied, or an old card put "
        "back? Keep the gate's card; do not use the gate until somebody has looked at both.",
    ),
    (
        "hash",
        "The record was damaged or changed on its way. Run 'admit journal verify' on the gate; "
        "keep the card if that names a break.",
    ),
    ("of another", "The gate's journal is of another event. Check [gate] event in admit.toml."),
    (
        "at ",
        "The gate's clock was far off. Check its battery or network time; the entry itself was "
        "made, and is in the gate's journal.",
    ),
)
_ALARMS = {
    "fork": "The gate sent two records with one number: was its card copied, or an old card put "
    "back? Keep both cards and do not use the gate until somebody has looked.",
    "chain": "A record does not follow the one before it. Run 'admit journal verify' on the gate; "
    "keep its card if that names a break.",
    "rewritten": "The gate signed one past and then sent another. Somebody may have changed its "
    "journal, or a copy of its card works: withdraw the gate, keep its card as evidence.",
    "rolled_back": "The gate's journal went back to an older state: was an old card or image put "
    "in? It begins a new journal by itself; find out who did it. Entries of both count.",
    "restored": "The gate found its journal to be an older copy and has begun another; entries of "
    "both count. Was its card put back from an image, or copied? If nobody did, withdraw the gate.",
    "clone": "Two gates work with one key: a card was copied. Withdraw this gate, enrol each of "
    "the two anew with a token of its own. Entries of both are counted.",
    "head_signature": "Somebody calls with this gate's bearer but has not its key: the network in "
    "between reads it, or the server's log does. Withdraw the gate and enrol it anew.",
    "flood": "The gate sends more broken records than are kept. What it did is in its journal: "
    "take the gate out of service and keep its card.",
    "gap": "Records of this gate are missing. Is it in touch? They come when it is; if its card "
    "was replaced, keep the old one: they are on it.",
}
_OTHER = (
    "The gate and this server may be of different versions. Update the older one; the record is "
    "kept here as it came, and in the gate's journal."
)


def parked_advice(reason: str) -> str:
    """What to do about a record that was parked for ``reason``."""
    return next((advice for begin, advice in _PARKED if reason.startswith(begin)), _OTHER)


def alarm_advice(name: str) -> str:
    """What to do about an alarm."""
    return _ALARMS.get(name, _OTHER)
