"""Sealing: bytes under keys, in segments that are authenticated one by one and in order. Pure: no I/O, no S3.

An object has a *data key*. Its bytes are one or more *streams* (one for each upload or part), each under a key of its
own that is wrapped by the data key, cut into *segments*. The data key itself is sealed under a key that somebody else
keeps: see `objstore/kms`.
"""

from objstore.sealing.datakey import DataKey
from objstore.sealing.errors import SealBroken, WrongKey
from objstore.sealing.record import CUSTOMER, KMS, S3, Encryption, Seal
from objstore.sealing.segments import CHUNK, SEGMENT, sealed_size
from objstore.sealing.streams import Plan, Stream, Unsealer, plan

__all__ = [
    "CHUNK",
    "CUSTOMER",
    "KMS",
    "S3",
    "SEGMENT",
    "DataKey",
    "Encryption",
    "Plan",
    "Seal",
    "SealBroken",
    "Stream",
    "Unsealer",
    "WrongKey",
    "plan",
    "sealed_size",
]
