"""The keys a gate believes: the roots pinned in its configuration, and what has followed from them.

Roots change as in TUF (specification 5.3): a keyset with other roots is signed by the threshold of
the old ones and by that of the new ones; the pinned ones are the first anchor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tickets.bodies import Keyset
from tickets.cose import KEY_BYTES, key_id
from tickets.trust import Trust, trust_of


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by role; each map is key id (8 bytes) -> 32-byte Ed25519 public key."""

    roots: Mapping[bytes, bytes]
    """Those pinned in the configuration, until a keyset that they signed names others."""
    threshold: int
    """How many different roots must sign a keyset."""
    issuers: Mapping[bytes, bytes] = field(default_factory=dict)
    lists: Mapping[bytes, bytes] = field(default_factory=dict)
    revoked: frozenset[bytes] = frozenset()
    """Key ids of any role that count no more."""
    pretix: tuple[bytes, ...] = ()
    """Keys of the event's pretix, 32 bytes each."""

    def trust(self, event: str) -> Trust:
        """Return whose tickets are believed for ``event``."""
        return trust_of(event, self.issuers, self.revoked, self.pretix)

    def signing_roots(self) -> dict[bytes, bytes]:
        """Return the roots whose signatures count."""
        return {kid: key for kid, key in self.roots.items() if kid not in self.revoked}

    def signing_lists(self) -> dict[bytes, bytes]:
        """Return the list keys whose signatures count."""
        return {kid: key for kid, key in self.lists.items() if kid not in self.revoked}

    def with_lists(self, lists: Mapping[bytes, bytes]) -> "Keyring":
        """Return the keyring with these list keys, none of them revoked: to read what was kept."""
        return replace(self, lists=dict(lists), revoked=self.revoked - lists.keys())

    def with_keyset(self, keyset: Keyset) -> "Keyring":
        """Return the keyring after a verified ``keyset``, which replaces the one before."""
        return replace(
            self,
            roots=dict(keyset.roots),
            threshold=keyset.threshold,
            issuers=dict(keyset.issuers),
            lists=dict(keyset.lists),
            revoked=frozenset(keyset.revoked),
            pretix=tuple(keyset.pretix),
        )


def pinned(root_keys: Iterable[bytes], threshold: int = 1) -> Keyring:
    """Return the keyring of a gate that has only its configuration.

    Args:
        root_keys: 32-byte public keys; one named twice counts once.
        threshold: How many of them must sign a keyset.
    Raises:
        ValueError: a key has another length, or ``threshold`` cannot be reached.
    """
    roots = {key_id(key): key for key in root_keys}
    if any(len(key) != KEY_BYTES for key in roots.values()):
        raise ValueError(f"a root key has {KEY_BYTES} bytes")
    if not 1 <= threshold <= len(roots):
        raise ValueError(f"{threshold} signatures of {len(roots)} root keys cannot be")
    return Keyring(roots, threshold)
