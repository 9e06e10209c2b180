"""Policies of LDAP users and groups for administrators: `/-/admin/v1/ldap-policies`.

GET lists what is attached to distinguished names; PUT attaches the managed policy `policy` to the name `dn`, DELETE
detaches it. Policies are those of the account that the configuration has for logins by LDAP, or AWS's.
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.iam.identities import logins, names
from objstore.server.accounts import missing
from objstore.server.admin_api import Parameters
from objstore.server.node import Node


class LdapPolicyPages:
    """What the admin API answers of these."""

    def __init__(self, node: Node) -> None:
        self._identities = node.identities
        ldap = node.settings.ldap
        self._account = ldap.account if ldap is not None else names.DEPLOYMENT

    async def __call__(self, method: str, given: Parameters) -> Any:
        if method == "GET":
            found = self._identities.read(logins.every)
            return {"policies": [{"dn": dn, "policy": policy} for dn, policy in found]}
        for name in ("dn", "policy"):
            if not given.get(name):
                raise missing(name)
        from objstore.iam.federation.ldap import normal  # not before somebody has a directory

        try:
            dn, policy = normal(given["dn"]), given["policy"]
        except ValueError as error:
            raise AwsError("InvalidArgument", str(error), ArgumentName="dn") from None
        if method == "PUT":
            await self._identities.write(lambda tx: logins.attach(tx, self._account, dn, policy))
        else:
            await self._identities.write(lambda tx: logins.detach(tx, dn, policy))
        return {"dn": dn, "policy": policy}
