"""Operations that are not AWS's: what the world's S3 servers agreed on beside its models, in the models' own form.

AssumeRoleWithLDAPIdentity is MinIO's: a login with a name and a password, answered like AssumeRoleWithWebIdentity.
https://min.io/docs/minio/linux/developers/security-token-service/AssumeRoleWithLDAPIdentity.html
"""

from __future__ import annotations

from typing import Any, Final

_STS: Final[dict[str, Any]] = {
    "operations": {
        "AssumeRoleWithLDAPIdentity": {
            "name": "AssumeRoleWithLDAPIdentity",
            "http": {"method": "POST", "requestUri": "/"},
            "input": {"shape": "AssumeRoleWithLDAPIdentityRequest"},
            "output": {
                "shape": "AssumeRoleWithLDAPIdentityResponse",
                "resultWrapper": "AssumeRoleWithLDAPIdentityResult",
            },
            "authtype": "none",
        }
    },
    "shapes": {
        "AssumeRoleWithLDAPIdentityRequest": {
            "type": "structure",
            "required": ["LDAPUsername", "LDAPPassword"],
            "members": {
                "LDAPUsername": {"shape": "ldapUsernameType"},
                "LDAPPassword": {"shape": "ldapPasswordType"},
                "Policy": {"shape": "sessionPolicyDocumentType"},
                "DurationSeconds": {"shape": "ldapDurationType"},
            },
        },
        "ldapUsernameType": {"type": "string", "min": 1, "max": 256},
        "ldapPasswordType": {"type": "string", "min": 1, "max": 1024, "sensitive": True},
        "ldapDurationType": {"type": "integer", "min": 900, "max": 604800},
        "AssumeRoleWithLDAPIdentityResponse": {
            "type": "structure",
            "members": {"Credentials": {"shape": "Credentials"}},
        },
    },
}

BY_SERVICE: Final = {"sts": _STS}


def added(name: str, model: dict[str, Any]) -> dict[str, Any]:
    """The model of a service with what is added to it."""
    more = BY_SERVICE.get(name)
    if more is None:
        return model
    return {**model, **{part: {**model[part], **more[part]} for part in ("operations", "shapes")}}
