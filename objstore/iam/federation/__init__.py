"""Who others vouch for: tokens of OpenID Connect issuers, and logins at an LDAP server."""
