"""Making a catalog again when all its mirrors are lost: from the newest whole snapshot, and from what the drives tell.

`shelves` reads shard files without a catalog, `appends` finds what is in them, `sources` picks the snapshot,
`reconciling` holds what the snapshot says against what is there, `recovering` enters what came after it, and `restore`
does all of it, in a catalog that nobody sees before it is whole.
"""
