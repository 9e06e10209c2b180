"""What a changed spec must not do to drives that exist: they hold data.

Admission refuses it already, for changes of an object. This looks at the volumes themselves: the object may have been
deleted and made again, or its definition may be older than the operator.
"""

from __future__ import annotations

from collections.abc import Iterable

from objstore.kubernetes import quantities
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.kinds import Body
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.store import Store


def drive_of(claim: Body, store: str) -> str | None:
    """The drive that a PersistentVolumeClaim is the volume of, None for another's."""
    name: str = claim["metadata"]["name"]
    suffix = f"-{names.pod(store, 0)}"
    return name.removesuffix(suffix) if name.endswith(suffix) else None


def known(claim: Body) -> bool:
    """Whether the server was started with the drive that a PersistentVolumeClaim is the volume of."""
    return (claim["metadata"].get("annotations") or {}).get(names.KNOWN_DRIVE) == "true"


def check(store: Store, live: Body | None, claims: Iterable[Body]) -> None:
    """Raise Refused where the spec would lose what is on drives, those of the StatefulSet `live` and of `claims`."""
    existing = {
        one["metadata"]["name"]: one["spec"] for one in (live or {"spec": {}})["spec"].get("volumeClaimTemplates", ())
    }
    for claim in claims:
        drive = drive_of(claim, store.name)
        if drive is not None:
            existing[drive] = claim["spec"]
    wanted = {
        names.drive(one.name, n): one.spec for one in store.spec.volume_claim_templates for n in range(1, one.count + 1)
    }
    if gone := sorted(set(existing) - set(wanted)):
        raise Refused(
            "DrivesMissing",
            f"spec.volumeClaimTemplates leaves out drives that exist and hold data: {', '.join(gone)}. List them again;"
            " to begin anew, delete their PersistentVolumeClaims first",
        )
    for drive, there in existing.items():
        asked = wanted[drive]
        before, after = there.get("storageClassName"), asked.storage_class_name
        if after is not None and before is not None and after != before:
            raise Refused(
                "StorageClassChanged",
                f"drive {drive} is of storage class {before}, and the spec now says {after}: add a template of another"
                " name for new drives",
            )
        size = there["resources"]["requests"]["storage"]
        if quantities.parse(asked.resources.requests.storage) < quantities.parse(size):
            raise Refused("VolumeShrinks", f"drive {drive} has {size}: volumes can be made larger, never smaller")
