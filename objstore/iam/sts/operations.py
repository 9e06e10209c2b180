"""Importing this module registers every operation of STS."""

from objstore.iam.sts import assume_role, caller, ldap_identity, session_token, web_identity

__all__ = ["assume_role", "caller", "ldap_identity", "session_token", "web_identity"]
