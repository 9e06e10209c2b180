"""What is in Secrets."""

from __future__ import annotations

import base64

from objstore.kubernetes.kinds import Body


def value(secret: Body | None, key: str) -> str | None:
    """The text that a Secret has under a key; None where it has none."""
    try:
        return base64.b64decode(((secret or {}).get("data") or {}).get(key) or "", validate=True).decode() or None
    except ValueError:
        return None
